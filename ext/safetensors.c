/*
** The entry point, and the two tables of what it registers.
*/
#include "safetensors.h"

#include <sqlite3ext.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/result.h"
#include "format/store.h"
#include "func/config.h"
#include "func/functions.h"
#include "tensor/kernels.h"
#include "vtab/modules.h"

SQLITE_EXTENSION_INIT1

enum { MINIMUM_SQLITE = 3039000 }; /* FULL JOIN */

static const struct {
  const char *name;
  const sqlite3_module *module;
} modules[] = {
    {"safetensors", &safetensors_module},
    {"safetensors_tensors", &safetensors_tensors_module},
    {"safetensors_metadata", &safetensors_metadata_module},
    {"safetensors_files", &safetensors_files_module},
    {"safetensors_diff", &safetensors_diff_module},
    {"safetensors_help", &safetensors_help_module},
    {"safetensors_check", &safetensors_check_module},
    {"tensor_compare", &tensor_compare_module},
    {"tensor_elements", &tensor_elements_module},
    {"tensor_rows", &tensor_rows_module},
    {"tensor_stats", &tensor_stats_module},
    {"tensor_histogram", &tensor_histogram_module},
};

/* What can open a file must not be callable from a hostile schema. */
enum {
  OPENS_FILES = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
  OPENS_NOTHING = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
  SETS = SQLITE_UTF8 | SQLITE_DIRECTONLY,
  WRITES_FILES = SETS,
  RETURNS_SUBTYPE = 0x1000000 /* SQLITE_RESULT_SUBTYPE, which 3.40's header lacks */
};

/* How the extension recognises that it is loaded: so this one is registered last. */
#define LAST_FUNCTION "safetensors_version"

static const struct {
  const char *name;
  int argc;
  int flags;
  Function *function;
} functions[] = {
    {"tensor_ref", 2, OPENS_NOTHING, function_tensor_ref},
    {"tensor_ref", 3, OPENS_NOTHING, function_tensor_ref},
    {"tensor_dtype", 1, OPENS_FILES, function_tensor_dtype},
    {"tensor_shape", 1, OPENS_FILES, function_tensor_shape},
    {"tensor_numel", 1, OPENS_FILES, function_tensor_numel},
    {"tensor_nbytes", 1, OPENS_FILES, function_tensor_nbytes},
    {"tensor_data", 1, OPENS_FILES, function_tensor_data},
    {"tensor_data", 2, OPENS_FILES, function_tensor_data},
    {"tensor_data", 3, OPENS_FILES, function_tensor_data},
    {"tensor_data", 4, OPENS_FILES, function_tensor_data},
    {"tensor_json", 1, OPENS_FILES | RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 2, OPENS_FILES | RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 3, OPENS_FILES | RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 4, OPENS_FILES | RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_item", -1, OPENS_FILES | RETURNS_SUBTYPE, function_tensor_item},
    {"tensor_cast", 2, OPENS_FILES, function_tensor_cast},
    {"tensor_cast", 3, OPENS_FILES, function_tensor_cast},
    {"tensor_cast", 4, OPENS_FILES, function_tensor_cast},
    {"tensor_hash", 1, OPENS_FILES, function_tensor_hash},
    {"tensor_hash", 2, OPENS_FILES, function_tensor_hash},
    {"tensor_hash", 3, OPENS_FILES, function_tensor_hash},
    {"tensor_sparkline", 1, OPENS_FILES, function_tensor_sparkline},
    {"tensor_sparkline", 2, OPENS_FILES, function_tensor_sparkline},
    {"tensor_sparkline", 3, OPENS_FILES, function_tensor_sparkline},
    {"tensor_equal", -1, OPENS_FILES, function_tensor_equal},
    {"tensor_allclose", -1, OPENS_FILES, function_tensor_allclose},
    {"tensor_cosine", -1, OPENS_FILES, function_tensor_cosine},
    {"tensor_max_abs_diff", -1, OPENS_FILES, function_tensor_max_abs_diff},
    {"safetensors_config", 1, SETS, function_safetensors_config},
    {"safetensors_config", 2, SETS, function_safetensors_config},
    {"safetensors_pretty", 1, OPENS_NOTHING, function_safetensors_pretty},
    {"safetensors_pretty", 2, OPENS_NOTHING, function_safetensors_pretty},
    {LAST_FUNCTION, 0, OPENS_NOTHING, function_safetensors_version},
};

static const struct {
  const char *name;
  int argc;
  int flags;
  Function *step;
  void (*final)(sqlite3_context *context);
} aggregates[] = {
    {"safetensors_write", 5, WRITES_FILES, aggregate_write_step, aggregate_write_final},
    {"safetensors_write", 6, WRITES_FILES, aggregate_write_step, aggregate_write_final},
    {"safetensors_write_sharded", 6, WRITES_FILES, aggregate_write_sharded_step,
     aggregate_write_final},
    {"safetensors_write_sharded", 7, WRITES_FILES, aggregate_write_sharded_step,
     aggregate_write_final},
    {"safetensors_serialize", 4, OPENS_FILES, aggregate_serialize_step, aggregate_serialize_final},
    {"safetensors_serialize", 5, OPENS_FILES, aggregate_serialize_step, aggregate_serialize_final},
};

static void release_store(void *store) {
  store_release(store);
}

static int register_all(sqlite3 *db, Store *store) {
  int code = SQLITE_OK;
  for (size_t i = 0; code == SQLITE_OK && i < sizeof modules / sizeof modules[0]; i++) {
    code = sqlite3_create_module_v2(db, modules[i].name, modules[i].module, store_retain(store),
                                    release_store);
  }
  for (size_t i = 0; code == SQLITE_OK && i < sizeof aggregates / sizeof aggregates[0]; i++) {
    code = sqlite3_create_function_v2(db, aggregates[i].name, aggregates[i].argc,
                                      aggregates[i].flags, store_retain(store), NULL,
                                      aggregates[i].step, aggregates[i].final, release_store);
  }
  for (size_t i = 0; code == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
    code = sqlite3_create_function_v2(db, functions[i].name, functions[i].argc, functions[i].flags,
                                      store_retain(store), functions[i].function, NULL, NULL,
                                      release_store);
  }
  return code;
}

/* Functions cannot be replaced while a statement runs, nor need they be: a second load finds the
** first. Asked so that the question is no error (sqlite3_open() would return one that an automatic
** extension leaves behind), and that no table of a database can answer it. */
static int find_loaded(sqlite3 *db, bool *loaded) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &statement, NULL);
  *loaded = false;
  while (code == SQLITE_OK && !*loaded && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    code = name != NULL ? SQLITE_OK : SQLITE_NOMEM;
    *loaded = name != NULL && strcmp(name, LAST_FUNCTION) == 0;
  }
  sqlite3_finalize(statement);
  return code == SQLITE_NOMEM ? code : SQLITE_OK;
}

/* SQLITE_EXTENSION_INIT2, written once: connections of other threads are using it. */
static void take_api(const struct sqlite3_api_routines *api) {
#ifdef SQLITE_CORE
  (void)api;
#else
  const struct sqlite3_api_routines *known = __atomic_load_n(&sqlite3_api, __ATOMIC_ACQUIRE);
  if (known == api) return;
  __atomic_compare_exchange_n(&sqlite3_api, &known, api, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
#endif
}

int sqlite3_safetensors_init(sqlite3 *db, char **message, const struct sqlite3_api_routines *api) {
  take_api(api);
  if (message != NULL) *message = NULL;
  if (sqlite3_libversion_number() < MINIMUM_SQLITE) {
    if (message != NULL) {
      *message = sqlite3_mprintf("safetensors: needs SQLite 3.39.0 or newer, found %s",
                                 sqlite3_libversion());
    }
    return SQLITE_ERROR;
  }
  bool loaded;
  int code = find_loaded(db, &loaded);
  if (code != SQLITE_OK || loaded) return code;
  Store *store = store_new();
  if (store == NULL) return SQLITE_NOMEM;
  Error error = {0};
  if (kernels_choose(getenv("SAFETENSORS_KERNELS"), &error) &&
      config_from_environment(store, &error)) {
    code = register_all(db, store);
  } else {
    code = result_code(error.code);
    char *sentence = error_take(&error);
    if (message != NULL) {
      *message = sentence;
    } else {
      memory_free(sentence);
    }
  }
  store_release(store);
  return code;
}
