#include <jansson.h>

#include "func/functions.h"
#include "kernels/kernels.h"
#include "safetensors.h"

/* safetensors_version() -> TEXT, the versions of the extension and of its libraries, and the name
** of the kernels that were chosen for this machine. */
void function_safetensors_version(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  char *text =
      sqlite3_mprintf("safetensors %s, SQLite %s, jansson %s, kernels %s", SAFETENSORS_VERSION,
                      sqlite3_libversion(), jansson_version_str(), kernels_chosen()->name);
  if (text == NULL) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_text(context, text, -1, sqlite3_free);
  }
}
