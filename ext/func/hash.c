#include "tensor/hash.h"
#include "func/functions.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/tensor_result.h"
#include "tensor/sha256.h"

/* A way to compute `size` bytes from those of a tensor. */
typedef struct HashWay {
  const char *name; /* of the function */
  uint32_t size;    /* at most DIGEST_MAX_SIZE */
  bool (*run)(const Source *source, const View *view, unsigned bits, const Host *host,
              unsigned char *out, Error *error);
} HashWay;

static bool hash_argument(const HashWay *way, const TensorArgument *argument, sqlite3 *db,
                          Session *session, unsigned char *out, Error *error) {
  const View *view = &argument->view;
  unsigned bits = dtype_bits(argument->dtype);
  if (!tensor_result_is_whole_bytes(argument, view, error)) return false;
  Source source = tensor_argument_source(argument);
  Host host =
      connection_begin_work(db, session, &argument->tensor, view->numel, view->numel * bits / 8);
  bool good = way->run(&source, view, bits, &host, out, error);
  connection_end_work(&host);
  return good;
}

/* The function of a way: hexadecimal digits, or NULL for NULL. */
static void hash_function(sqlite3_context *context, int argc, sqlite3_value **argv,
                          const HashWay *way) {
  Session *session = lease_session(context);
  TensorArgument argument;
  Error error = {0};
  unsigned char bytes[DIGEST_MAX_SIZE];
  sqlite3 *db = sqlite3_context_db_handle(context);
  if (!tensor_argument_open_alone(&argument, way->name, session, argc, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (argument.is_null) {
    /* the result stays NULL */
  } else if (!hash_argument(way, &argument, db, session, bytes, &error)) {
    tensor_result_error(context, &error);
  } else {
    char text[DIGEST_TEXT_SIZE];
    digest_text(bytes, way->size, text);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  }
  tensor_argument_close(&argument);
}

static bool hash_run_xxh3(const Source *source, const View *view, unsigned bits, const Host *host,
                          unsigned char *out, Error *error) {
  Hash hash;
  if (!hash_run(source, view, bits, host, &hash, error)) return false;
  for (size_t i = 0; i < sizeof hash.bytes; i++) out[i] = hash.bytes[i];
  return true;
}

/*
** tensor_hash(ref) -> TEXT
** tensor_hash(data, dtype [, shape]) -> TEXT
**
** A fingerprint of the bytes that tensor_data() returns: XXH3-128 as 32 hexadecimal digits, the
** same that `xxhsum -H2` prints. Equal bytes have equal fingerprints, whatever the dtype and shape.
** The hash is not cryptographic: it does not protect against somebody who wants two tensors to
** collide. NULL for NULL.
*/
void function_tensor_hash(sqlite3_context *context, int argc, sqlite3_value **argv) {
  static const HashWay way = {"tensor_hash", sizeof(((Hash *)NULL)->bytes), hash_run_xxh3};
  hash_function(context, argc, argv, &way);
}

/*
** tensor_sha256(ref) -> TEXT
** tensor_sha256(data, dtype [, shape]) -> TEXT
**
** The SHA-256 of the bytes that tensor_data() returns, as 64 hexadecimal digits, the same that
** sha256sum prints. NULL for NULL.
*/
void function_tensor_sha256(sqlite3_context *context, int argc, sqlite3_value **argv) {
  static const HashWay way = {"tensor_sha256", 32, sha256_run};
  hash_function(context, argc, argv, &way);
}
