#include "sql/exact_module.h"

#include <stddef.h>

#include "base/float_environment.h"
#include "base/threads.h"

/* SQLite passes each method its table, whose pModule is the module that was registered. */
typedef struct ExactModule {
  sqlite3_module module;
  const sqlite3_module *inner;
} ExactModule;

static ExactModule
    exact_module_exact_modules[EXACT_MODULE_MAX]; /* those after the last one are zero */

static const sqlite3_module *exact_module_inner_of(const sqlite3_vtab *table) {
  return ((const ExactModule *)(const void *)table->pModule)->inner;
}

/* Calls a method between entering and leaving. The compiler cannot know which function it is, so
** it moves no part of it out from between them. */
#define EXACT_MODULE_CALL(table, method, ...)                   \
  FloatEnvironment host;                                        \
  float_environment_enter(&host);                               \
  int code = exact_module_inner_of(table)->method(__VA_ARGS__); \
  float_environment_leave(&host);                               \
  return code

static int exact_module_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  EXACT_MODULE_CALL(table, xBestIndex, table, info);
}

static int exact_module_filter(sqlite3_vtab_cursor *cursor, int plan, const char *plan_text,
                               int argc, sqlite3_value **argv) {
  EXACT_MODULE_CALL(cursor->pVtab, xFilter, cursor, plan, plan_text, argc, argv);
}

static int exact_module_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number) {
  EXACT_MODULE_CALL(cursor->pVtab, xColumn, cursor, context, number);
}

static int exact_module_update(sqlite3_vtab *table, int argc, sqlite3_value **argv,
                               sqlite3_int64 *out) {
  EXACT_MODULE_CALL(table, xUpdate, table, argc, argv, out);
}

static int exact_module_sync(sqlite3_vtab *table) {
  EXACT_MODULE_CALL(table, xSync, table);
}

static void exact_module_wrap(const sqlite3_module *inner, bool plain_columns, ExactModule *out) {
  *out = (ExactModule){.module = *inner, .inner = inner};
  out->module.xBestIndex = exact_module_best_index;
  out->module.xFilter = exact_module_filter;
  if (!plain_columns) out->module.xColumn = exact_module_column;
  if (inner->xUpdate != NULL) out->module.xUpdate = exact_module_update;
  if (inner->xSync != NULL) out->module.xSync = exact_module_sync;
}

const sqlite3_module *exact_module(const sqlite3_module *module, bool plain_columns) {
  ExactModule *exact = exact_module_exact_modules;
  process_lock_enter();
  while (exact->inner != NULL && exact->inner != module) exact++;
  if (exact->inner == NULL) exact_module_wrap(module, plain_columns, exact);
  process_lock_leave();
  return &exact->module;
}
