/*
** The entry point, and the tables of the modules and functions that it registers.
*/
#include "safetensors.h"

#include <sqlite3ext.h>
#include <stdlib.h>
#include <string.h>

#include "base/float_environment.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/threads.h"
#include "expression/operators.h"
#include "func/config.h"
#include "func/functions.h"
#include "kernels/kernels.h"
#include "model/session.h"
#include "sql/exact_function.h"
#include "sql/exact_module.h"
#include "sql/result.h"
#include "tensor/self_check.h"
#include "vtab/modules.h"
#include "write/serialize.h"
#include "write/write_table.h"

SQLITE_EXTENSION_INIT1

const Program program = {
    .name = "safetensors", .file = "a .safetensors file", .temporary = ".safetensors-"};

enum { SAFETENSORS_MINIMUM_SQLITE = 3039000 }; /* the first with FULL JOIN */

/* The extension takes this module as the sign that it is loaded, so it is registered last. */
#define SAFETENSORS_LAST_MODULE "safetensors_write"

static const struct {
  const char *name;
  const sqlite3_module *module;
  bool plain_columns; /* xColumn does no floating-point work: see exact_module.h */
} safetensors_modules[] = {
    {"safetensors", &safetensors_module, true},
    {"safetensors_tensors", &safetensors_tensors_module, true},
    {"safetensors_weights", &safetensors_weights_module, false},
    {"safetensors_adapter", &safetensors_adapter_module, false},
    {"safetensors_metadata", &safetensors_metadata_module, true},
    {"safetensors_files", &safetensors_files_module, true},
    {"safetensors_models", &safetensors_models_module, false},
    {"safetensors_diff", &safetensors_diff_module, false},
    {"safetensors_help", &safetensors_help_module, true},
    {"safetensors_check", &safetensors_check_module, false},
    {"safetensors_salvage", &safetensors_salvage_module, false},
    {"safetensors_verify", &safetensors_verify_module, true},
    {"tensor_compare", &tensor_compare_module, false},
    {"tensor_elements", &tensor_elements_module, true},
    {"tensor_rows", &tensor_rows_module, true},
    {"tensor_stats", &tensor_stats_module, false},
    {"tensor_histogram", &tensor_histogram_module, false},
    {"tensor_nearest", &tensor_nearest_module, false},
    {"tensor_svd", &tensor_svd_module, false},
    {SAFETENSORS_LAST_MODULE, &safetensors_write_module, true},
};

/* A function that can open a file must not be callable from the schema of a hostile database. */
enum {
  SAFETENSORS_OPENS_FILES = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
  SAFETENSORS_OPENS_NOTHING = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
  /* Not deterministic, but SQLite 3.40 lets a CHECK constraint call what does not claim to be. */
  SAFETENSORS_SETS = SAFETENSORS_OPENS_FILES,
  /* Neither is what reads tables of the temp schema, which may have changed since the last call. */
  SAFETENSORS_READS_TEMP = SAFETENSORS_OPENS_FILES,
  SAFETENSORS_RETURNS_SUBTYPE = 0x1000000 /* SQLITE_RESULT_SUBTYPE, which the header of SQLite 3.40
                                          ** does not define */
};

static const struct {
  const char *name;
  int argc;
  int flags;
  Function *function;
} safetensors_functions[] = {
    {"tensor_ref", 2, SAFETENSORS_OPENS_NOTHING, function_tensor_ref},
    {"tensor_ref", 3, SAFETENSORS_OPENS_NOTHING, function_tensor_ref},
    {"tensor_dtype", 1, SAFETENSORS_OPENS_FILES, function_tensor_dtype},
    {"tensor_shape", 1, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE,
     function_tensor_shape},
    {"tensor_numel", 1, SAFETENSORS_OPENS_FILES, function_tensor_numel},
    {"tensor_nbytes", 1, SAFETENSORS_OPENS_FILES, function_tensor_nbytes},
    {"tensor_data", 1, SAFETENSORS_OPENS_FILES, function_tensor_data},
    {"tensor_data", 2, SAFETENSORS_OPENS_FILES, function_tensor_data},
    {"tensor_data", 3, SAFETENSORS_OPENS_FILES, function_tensor_data},
    {"tensor_data", 4, SAFETENSORS_OPENS_FILES, function_tensor_data},
    {"tensor_json", 1, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 2, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 3, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_json", 4, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE, function_tensor_json},
    {"tensor_item", -1, SAFETENSORS_OPENS_FILES | SAFETENSORS_RETURNS_SUBTYPE,
     function_tensor_item},
    {"tensor_cast", 2, SAFETENSORS_OPENS_FILES, function_tensor_cast},
    {"tensor_cast", 3, SAFETENSORS_OPENS_FILES, function_tensor_cast},
    {"tensor_cast", 4, SAFETENSORS_OPENS_FILES, function_tensor_cast},
    {"tensor_hash", 1, SAFETENSORS_OPENS_FILES, function_tensor_hash},
    {"tensor_hash", 2, SAFETENSORS_OPENS_FILES, function_tensor_hash},
    {"tensor_hash", 3, SAFETENSORS_OPENS_FILES, function_tensor_hash},
    {"tensor_sha256", 1, SAFETENSORS_OPENS_FILES, function_tensor_sha256},
    {"tensor_sha256", 2, SAFETENSORS_OPENS_FILES, function_tensor_sha256},
    {"tensor_sha256", 3, SAFETENSORS_OPENS_FILES, function_tensor_sha256},
    {"safetensors_digest", 2, SAFETENSORS_OPENS_FILES, function_safetensors_digest},
    {"tensor_quantile", 2, SAFETENSORS_OPENS_FILES, function_tensor_quantile},
    {"tensor_quantile", 3, SAFETENSORS_OPENS_FILES, function_tensor_quantile},
    {"tensor_quantile", 4, SAFETENSORS_OPENS_FILES, function_tensor_quantile},
    {"tensor_quantile", 5, SAFETENSORS_OPENS_FILES, function_tensor_quantile},
    {"tensor_sparkline", 1, SAFETENSORS_OPENS_FILES, function_tensor_sparkline},
    {"tensor_sparkline", 2, SAFETENSORS_OPENS_FILES, function_tensor_sparkline},
    {"tensor_sparkline", 3, SAFETENSORS_OPENS_FILES, function_tensor_sparkline},
    {"tensor_equal", -1, SAFETENSORS_OPENS_FILES, function_tensor_equal},
    {"tensor_allclose", -1, SAFETENSORS_OPENS_FILES, function_tensor_allclose},
    {"tensor_cosine", -1, SAFETENSORS_OPENS_FILES, function_tensor_cosine},
    {"tensor_max_abs_diff", -1, SAFETENSORS_OPENS_FILES, function_tensor_max_abs_diff},
    {"safetensors_config", 1, SAFETENSORS_SETS, function_safetensors_config},
    {"safetensors_config", 2, SAFETENSORS_SETS, function_safetensors_config},
    {"safetensors_pretty", 1, SAFETENSORS_OPENS_NOTHING, function_safetensors_pretty},
    {"safetensors_pretty", 2, SAFETENSORS_OPENS_NOTHING, function_safetensors_pretty},
    {"safetensors_html", 1, SAFETENSORS_OPENS_NOTHING, function_safetensors_html},
    {"safetensors_wrap", 2, SAFETENSORS_OPENS_NOTHING, function_safetensors_wrap},
    {"safetensors_page", 1, SAFETENSORS_OPENS_NOTHING, function_safetensors_page},
    {"safetensors_label", 1, SAFETENSORS_OPENS_NOTHING, function_safetensors_label},
    {"safetensors_label", 2, SAFETENSORS_OPENS_NOTHING, function_safetensors_label},
    {"safetensors_parameters", -1, SAFETENSORS_READS_TEMP, function_safetensors_parameters},
    {"safetensors_refuse", 1, SAFETENSORS_OPENS_NOTHING, function_safetensors_refuse},
    {"safetensors_print", -1, SAFETENSORS_READS_TEMP, function_safetensors_print},
    {"safetensors_write", -1, SAFETENSORS_SETS, function_safetensors_write},
    {"safetensors_write_sharded", -1, SAFETENSORS_SETS, function_safetensors_write_sharded},
    {"safetensors_version", 0, SAFETENSORS_OPENS_NOTHING, function_safetensors_version},
};

static const struct {
  const char *name;
  int argc;
  int flags;
  Function *step;
  void (*final)(sqlite3_context *context);
} safetensors_aggregates[] = {
    {"safetensors_common", 1, SAFETENSORS_OPENS_NOTHING, aggregate_common_step,
     aggregate_common_final},
    {"safetensors_serialize", 4, SAFETENSORS_OPENS_FILES, aggregate_serialize_step,
     aggregate_serialize_final},
    {"safetensors_serialize", 5, SAFETENSORS_OPENS_FILES, aggregate_serialize_step,
     aggregate_serialize_final},
};

/* The builders of expressions. */
static const struct {
  const char *name;
  int argc;
  Operator op;
  Function *function; /* NULL: of an aggregate */
} safetensors_builders[] = {
    {"tensor_add", 2, OPERATOR_IS_ADD, function_build},
    {"tensor_sub", 2, OPERATOR_IS_SUB, function_build},
    {"tensor_mul", 2, OPERATOR_IS_MUL, function_build},
    {"tensor_div", 2, OPERATOR_IS_DIV, function_build},
    {"tensor_minimum", 2, OPERATOR_IS_MINIMUM, function_build},
    {"tensor_maximum", 2, OPERATOR_IS_MAXIMUM, function_build},
    {"tensor_greater", 2, OPERATOR_IS_GREATER, function_build},
    {"tensor_greater_equal", 2, OPERATOR_IS_GREATER_EQUAL, function_build},
    {"tensor_less", 2, OPERATOR_IS_LESS, function_build},
    {"tensor_less_equal", 2, OPERATOR_IS_LESS_EQUAL, function_build},
    {"tensor_equals", 2, OPERATOR_IS_EQUALS, function_build},
    {"tensor_isnan", 1, OPERATOR_IS_ISNAN, function_build},
    {"tensor_where", 3, OPERATOR_IS_WHERE, function_build},
    {"tensor_neg", 1, OPERATOR_IS_NEG, function_build},
    {"tensor_abs", 1, OPERATOR_IS_ABS, function_build},
    {"tensor_sign", 1, OPERATOR_IS_SIGN, function_build},
    {"tensor_sqrt", 1, OPERATOR_IS_SQRT, function_build},
    {"tensor_exp", 1, OPERATOR_IS_EXP, function_build},
    {"tensor_log", 1, OPERATOR_IS_LOG, function_build},
    {"tensor_norm", 2, OPERATOR_IS_NORM, function_build},
    {"tensor_total", 2, OPERATOR_IS_TOTAL, function_build},
    {"tensor_lerp", 3, OPERATOR_IS_LERP, function_build},
    {"tensor_slerp", 3, OPERATOR_IS_SLERP, function_build},
    {"tensor_matmul", 2, OPERATOR_IS_MATMUL, function_build},
    {"tensor_transpose", 1, OPERATOR_IS_TRANSPOSE, function_build},
    {"tensor_transpose", 2, OPERATOR_IS_TRANSPOSE, function_build},
    {"tensor_reshape", 2, OPERATOR_IS_RESHAPE, function_build},
    {"tensor_slice", 2, OPERATOR_IS_SLICE, function_build},
    {"tensor_take", 3, OPERATOR_IS_TAKE, function_build},
    {"tensor_concat", -1, OPERATOR_IS_CONCAT, function_build_concat},
    {"tensor_convert", 2, OPERATOR_IS_CONVERT, function_build},
    {"tensor_full", 2, OPERATOR_IS_FULL, function_build},
    {"tensor_random", 2, OPERATOR_IS_RANDOM, function_build},
    {"tensor_dequantize", 2, OPERATOR_IS_DEQUANTIZE, function_build_dequantize},
    {"tensor_dequantize", 3, OPERATOR_IS_DEQUANTIZE, function_build_dequantize},
    {"tensor_delta", 2, OPERATOR_IS_DELTA, function_build_delta},
    {"tensor_delta", 3, OPERATOR_IS_DELTA, function_build_delta},
    {"tensor_delta", 4, OPERATOR_IS_DELTA, function_build_delta},
    {"tensors_sum", 1, OPERATOR_IS_SUM, NULL},
    {"tensors_sum", 2, OPERATOR_IS_SUM, NULL},
    {"tensors_average", 1, OPERATOR_IS_AVERAGE, NULL},
    {"tensors_average", 2, OPERATOR_IS_AVERAGE, NULL},
    {"tensors_stack", 2, OPERATOR_IS_STACK, NULL},
};

static int safetensors_register_builders(sqlite3 *db) {
  int code = SQLITE_OK;
  for (size_t i = 0;
       code == SQLITE_OK && i < sizeof safetensors_builders / sizeof safetensors_builders[0]; i++) {
    Function *function = safetensors_builders[i].function;
    bool aggregate = function == NULL;
    code = sqlite3_create_function_v2(
        db, safetensors_builders[i].name, safetensors_builders[i].argc, SAFETENSORS_OPENS_NOTHING,
        (void *)&OPERATOR_TRAITS[safetensors_builders[i].op], exact_function(function),
        aggregate ? exact_function(aggregate_build_step) : NULL,
        aggregate ? exact_final(aggregate_build_final) : NULL, NULL);
  }
  return code;
}

static void safetensors_release_session(void *session) {
  session_release(session);
}

/* Registers everything so that it computes in the default floating-point environment. */
static int safetensors_register_all(sqlite3 *db, Session *session) {
  int code = safetensors_register_builders(db);
  for (size_t i = 0;
       code == SQLITE_OK && i < sizeof safetensors_aggregates / sizeof safetensors_aggregates[0];
       i++) {
    code = sqlite3_create_function_v2(
        db, safetensors_aggregates[i].name, safetensors_aggregates[i].argc,
        safetensors_aggregates[i].flags, session_retain(session), NULL,
        exact_function(safetensors_aggregates[i].step),
        exact_final(safetensors_aggregates[i].final), safetensors_release_session);
  }
  for (size_t i = 0;
       code == SQLITE_OK && i < sizeof safetensors_functions / sizeof safetensors_functions[0];
       i++) {
    code = sqlite3_create_function_v2(
        db, safetensors_functions[i].name, safetensors_functions[i].argc,
        safetensors_functions[i].flags, session_retain(session),
        exact_function(safetensors_functions[i].function), NULL, NULL, safetensors_release_session);
  }
  for (size_t i = 0;
       code == SQLITE_OK && i < sizeof safetensors_modules / sizeof safetensors_modules[0]; i++) {
    code = sqlite3_create_module_v2(
        db, safetensors_modules[i].name,
        exact_module(safetensors_modules[i].module, safetensors_modules[i].plain_columns),
        session_retain(session), safetensors_release_session);
  }
  return code;
}

/* Whether the extension is already loaded into this connection. A second load then does nothing,
** since SQLite refuses to replace functions while a statement runs. The test must not raise an
** error, because sqlite3_open() would return one that an automatic extension leaves behind, and it
** must not be one that a table of a database can answer. Modules are fewer than functions, of which
** SQLite has hundreds. */
static int safetensors_find_loaded(sqlite3 *db, bool *loaded) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, "PRAGMA module_list", -1, &statement, NULL);
  *loaded = false;
  while (code == SQLITE_OK && !*loaded && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    code = name != NULL ? SQLITE_OK : SQLITE_NOMEM;
    *loaded = name != NULL && strcmp(name, SAFETENSORS_LAST_MODULE) == 0;
  }
  sqlite3_finalize(statement);
  return code == SQLITE_NOMEM ? code : SQLITE_OK;
}

/* Does the work of SQLITE_EXTENSION_INIT2, but writes `sqlite3_api` only once, because connections
** of other threads read it without a lock. One SQLite library is therefore served. A second one in
** the same process is refused, with a message in its own memory: the first library knows nothing of
** its connections. */
static bool safetensors_take_api(char **message, const struct sqlite3_api_routines *api) {
#ifdef SQLITE_CORE
  (void)message, (void)api;
#else
  process_lock_enter();
  if (sqlite3_api == NULL) sqlite3_api = api;
  process_lock_leave();
  if (sqlite3_api != api) {
    if (message != NULL) {
      *message = api->mprintf(
          "safetensors: expected one SQLite library in this process, found %s "
          "beside %s, which loaded this file before; load a copy of the file, "
          "under another name, into this one",
          api->libversion(), sqlite3_api->libversion());
    }
    return false;
  }
#endif
  return true;
}

/* Whether SQLite is new enough. Called before its routines are installed. */
static bool safetensors_is_new_enough(char **message, const struct sqlite3_api_routines *api) {
#ifdef SQLITE_CORE
  (void)api;
  int number = sqlite3_libversion_number();
  const char *version = sqlite3_libversion();
  char *(*format)(const char *, ...) = sqlite3_mprintf;
#else
  int number = api->libversion_number();
  const char *version = api->libversion();
  char *(*format)(const char *, ...) = api->mprintf;
#endif
  if (number >= SAFETENSORS_MINIMUM_SQLITE) return true;
  if (message != NULL) {
    *message = format("safetensors: needs SQLite 3.39.0 or newer, found %s", version);
  }
  return false;
}

static bool safetensors_is_sound(Error *error) {
  bool (*check)(Error *) = self_check;
  FloatEnvironment host;
  float_environment_enter(&host);
  float_environment_hide(check);
  bool sound = check(error);
  float_environment_leave(&host);
  return sound;
}

int sqlite3_safetensors_init(sqlite3 *db, char **message, const struct sqlite3_api_routines *api) {
  if (message != NULL) *message = NULL;
  if (!safetensors_is_new_enough(message, api) || !safetensors_take_api(message, api))
    return SQLITE_ERROR;
  bool loaded;
  int code = safetensors_find_loaded(db, &loaded);
  if (code != SQLITE_OK || loaded) return code;
  Session *session = session_new(db);
  if (session == NULL) return SQLITE_NOMEM;
  Error error = {0};
  if (kernels_choose(getenv("SAFETENSORS_KERNELS"), &error) && safetensors_is_sound(&error) &&
      config_from_environment(session, &error)) {
    code = safetensors_register_all(db, session);
  } else {
    code = result_code(error.code);
    char *sentence = error_take(&error);
    if (message != NULL) {
      *message = sentence;
    } else {
      memory_free(sentence);
    }
  }
  session_release(session);
  return code;
}
