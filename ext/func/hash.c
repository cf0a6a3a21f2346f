#include "tensor/hash.h"
#include "func/functions.h"
#include "func/host.h"
#include "func/tensor_result.h"

static bool hash_argument(const TensorArgument *argument, sqlite3 *db, Store *store, Hash *hash,
                          Error *error) {
  const View *view = &argument->view;
  unsigned bits = dtype_bits(argument->dtype);
  if (!tensor_result_is_whole_bytes(argument, view, error)) return false;
  Source source = tensor_argument_source(argument);
  Host host;
  host_open(&host, db, store, &argument->tensor, view->numel, view->numel * bits / 8);
  bool good = hash_run(&source, view, bits, &host.pass, hash, error);
  host_close(&host);
  return good;
}

/*
** tensor_hash(ref) -> TEXT
** tensor_hash(data, dtype [, shape]) -> TEXT
**
** A fingerprint of the bytes, those that tensor_data() returns: XXH3-128 in 32 hexadecimal digits,
** as `xxhsum -H2` prints it. Equal bytes have equal fingerprints whatever the dtype and shape; it is
** no protection from somebody who wants two tensors to look the same.
*/
void function_tensor_hash(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Store *store = sqlite3_user_data(context);
  TensorArgument argument;
  Error error = {0};
  Hash hash;
  if (!tensor_argument_open_alone(&argument, "tensor_hash", store, argc, argv, &error)) {
    result_error(context, &error);
  } else if (argument.is_null) {
    /* NULL in, NULL out */
  } else if (!hash_argument(&argument, sqlite3_context_db_handle(context), store, &hash, &error)) {
    result_error(context, &error);
  } else {
    char text[2 * sizeof hash.bytes + 1];
    for (size_t i = 0; i < sizeof hash.bytes; i++) {
      sqlite3_snprintf(3, text + 2 * i, "%02x", hash.bytes[i]);
    }
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  }
  tensor_argument_close(&argument);
}
