#include "tensor/hash.h"
#include "func/functions.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/tensor_result.h"

static bool hash_argument(const TensorArgument *argument, sqlite3 *db, Session *session, Hash *hash,
                          Error *error) {
  const View *view = &argument->view;
  unsigned bits = dtype_bits(argument->dtype);
  if (!tensor_result_is_whole_bytes(argument, view, error)) return false;
  Source source = tensor_argument_source(argument);
  Host host =
      connection_begin_work(db, session, &argument->tensor, view->numel, view->numel * bits / 8);
  bool good = hash_run(&source, view, bits, &host, hash, error);
  connection_end_work(&host);
  return good;
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
  Session *session = lease_session(context);
  TensorArgument argument;
  Error error = {0};
  Hash hash;
  if (!tensor_argument_open_alone(&argument, "tensor_hash", session, argc, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (argument.is_null) {
    /* the result stays NULL */
  } else if (!hash_argument(&argument, sqlite3_context_db_handle(context), session, &hash,
                            &error)) {
    tensor_result_error(context, &error);
  } else {
    char text[2 * sizeof hash.bytes + 1];
    for (size_t i = 0; i < sizeof hash.bytes; i++) {
      sqlite3_snprintf(3, text + 2 * i, "%02x", hash.bytes[i]);
    }
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  }
  tensor_argument_close(&argument);
}
