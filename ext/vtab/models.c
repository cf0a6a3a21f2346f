/*
** safetensors_models(path): the models in a folder, one row for each model or adapter.
**
**     SELECT model, kind, safetensors_pretty(numel) FROM safetensors_models('models');
**     SELECT m.model, t.name FROM safetensors_models('hf://') m, safetensors_tensors(m.model) t;
**
** `model` is the path to hand to other tables. model/model_search.h says what is searched, and
** model/model_group.h what is one model. A model that cannot be opened is a row with its error,
** and the search goes on; only a path that names nothing is an error.
**
** Rows are in natural order. model = ? is a lookup (under the BINARY collation). Headers are read
** when a column needs them, and no tensor's bytes ever. What was found stays in the session until
** directories or indexes change.
*/
#include <string.h>

#include "base/memory.h"
#include "model/model_list.h"
#include "model/model_state.h"
#include "sql/argument.h"
#include "sql/path_table.h"
#include "vtab/modules.h"

static const char models_schema[] =
    "CREATE TABLE x(model TEXT, kind TEXT, files INTEGER, tensors INTEGER, numel INTEGER, nbytes "
    "INTEGER, status TEXT, error TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", config TEXT HIDDEN, index_file TEXT HIDDEN)";

enum ModelsColumn {
  MODELS_COLUMN_MODEL,
  MODELS_COLUMN_KIND,
  MODELS_COLUMN_FILES,
  MODELS_COLUMN_TENSORS,
  MODELS_COLUMN_NUMEL,
  MODELS_COLUMN_NBYTES,
  MODELS_COLUMN_STATUS,
  MODELS_COLUMN_ERROR,
  MODELS_COLUMN_PATH,
  MODELS_COLUMN_SURPLUS_ARGUMENT,
  MODELS_COLUMN_CONFIG,
  MODELS_COLUMN_INDEX_FILE
};

typedef struct ModelsCursor {
  TABLE_CURSOR_MEMBERS
  sqlite3_value *argument; /* a copy */
  RowIdentity rows;
  ModelList *list; /* NULL when the argument is NULL */
  uint64_t row, end;
  bool has_state, has_kind; /* of the current row */
  ModelState state;
  ModelKind kind;
} ModelsCursor;

/* ---- Planning ---- */

static int models_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  static const char *const plan_text[] = {"all models", "all models of path", "model lookup",
                                          "model lookup in path"};
  int next_argv;
  info->estimatedCost = 20000;
  info->estimatedRows = 100;
  int code = path_table_plan((PathTable *)base, info, MODELS_COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  path_table_plan_name(info, MODELS_COLUMN_MODEL, next_argv);
  if ((info->idxNum & PATH_PLAN_NAME) != 0 && info->estimatedCost < 1e9) {
    info->estimatedCost = 300;
    info->estimatedRows = 1;
  }
  info->idxStr = (char *)(uintptr_t)plan_text[info->idxNum];
  late_plan(info, MODELS_COLUMN_PATH, 1);
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void models_leave_row(ModelsCursor *cursor) {
  model_state_clear(&cursor->state);
  cursor->has_state = cursor->has_kind = false;
}

static void models_close(ModelsCursor *cursor) {
  models_leave_row(cursor);
  model_list_release(cursor->list);
  sqlite3_value_free(cursor->argument);
  cursor->list = NULL;
  cursor->argument = NULL;
  cursor->rows = (RowIdentity){0};
}

static void models_clear(sqlite3_vtab_cursor *base) {
  models_close((ModelsCursor *)base);
}

static bool models_open_argument(ModelsCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  PathArgument argument;
  if (!path_table_read(table, cursor->argument, &argument, error)) return false;
  if (argument.blob != NULL) {
    return error_raise(error, ERROR_ARGUMENT, table->name, "expected a path (TEXT), found a BLOB");
  }
  if (argument.path == NULL) return true;
  if (memchr(argument.path, '\0', (size_t)argument.length) != NULL) {
    return error_raise(error, ERROR_ARGUMENT, argument.path,
                       "expected a path without NUL characters");
  }
  cursor->list = model_list_open(table->session, argument.path, error);
  return cursor->list != NULL;
}

/* Opens the list, unless the cursor has that of the same argument already: a statement sees one
** state of the folder. */
static bool models_open(ModelsCursor *cursor, int plan, sqlite3_value *argument, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  if ((plan & PATH_PLAN_PATH) == 0) return path_table_raise_no_path(table, error);
  if (cursor->list != NULL && argument_same(cursor->argument, argument)) return true;
  models_close(cursor);
  cursor->argument = sqlite3_value_dup(argument);
  return cursor->argument != NULL ? models_open_argument(cursor, error) : error_memory(error);
}

static int models_look_up(ModelsCursor *cursor, sqlite3_value *wanted) {
  const char *name = (const char *)sqlite3_value_text(wanted);
  uint64_t row;
  if (name == NULL) return sqlite3_value_type(wanted) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  bool whole = strlen(name) == (size_t)sqlite3_value_bytes(wanted);
  if (whole && listed_models_find(model_list_models(cursor->list), name, &row)) {
    cursor->row = row;
    cursor->end = row + 1;
  }
  return SQLITE_OK;
}

static int models_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  ModelsCursor *cursor = (ModelsCursor *)base;
  sqlite3_value *wanted = (plan & PATH_PLAN_NAME) != 0 ? argv[argc - 1] : NULL;
  Error error = {0};
  models_leave_row(cursor);
  cursor->row = cursor->end = 0;
  if (!models_open(cursor, plan, argc > 0 ? argv[0] : NULL, &error)) {
    models_close(cursor);
    return result_vtab_error(base->pVtab, &error);
  }
  if (cursor->list == NULL) return SQLITE_OK;
  if (wanted != NULL && path_table_can_look_up(wanted)) return models_look_up(cursor, wanted);
  cursor->end = model_list_models(cursor->list)->count;
  return SQLITE_OK;
}

static int models_next(sqlite3_vtab_cursor *base) {
  ModelsCursor *cursor = (ModelsCursor *)base;
  models_leave_row(cursor);
  cursor->row++;
  return path_table_go_on((PathTable *)base->pVtab, cursor->row);
}

static bool models_at_end(const sqlite3_vtab_cursor *base) {
  const ModelsCursor *cursor = (const ModelsCursor *)base;
  return cursor->row >= cursor->end;
}

static int models_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  ModelsCursor *cursor = (ModelsCursor *)base;
  const PathTable *table = (const PathTable *)base->pVtab;
  const RowArguments arguments = {base->pVtab, table->session, table->name, 1, &cursor->argument};
  return row_identity_rowid(&cursor->rows, &arguments, 0, model_list_models(cursor->list)->count,
                            cursor->row, out);
}

/* ---- What is read ---- */

static const ListedModel *models_row(const ModelsCursor *cursor) {
  return &model_list_models(cursor->list)->rows[cursor->row];
}

static bool models_read_state(ModelsCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  if (cursor->has_state) return true;
  model_state_clear(&cursor->state);
  cursor->has_state =
      cancel_go_on(session_cancel(table->session), table->name, error) &&
      model_list_expect(cursor->list, table->session, cursor->row, cursor->end, error) &&
      model_state_read(models_row(cursor), table->session, &cursor->state, error);
  return cursor->has_state;
}

/* The files beside it come first, if they leave no doubt; then the names of its tensors. */
static bool models_read_kind(ModelsCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  bool is_sure;
  if (cursor->has_kind) return true;
  if (!model_list_kind(cursor->list, table->session, models_row(cursor), &cursor->kind, &is_sure,
                       error)) {
    return false;
  }
  if (!is_sure && !models_read_state(cursor, error)) return false;
  if (!is_sure && cursor->state.kind != MODEL_KIND_UNKNOWN) cursor->kind = cursor->state.kind;
  cursor->has_kind = true;
  return true;
}

static bool models_result_config(sqlite3_context *context, ModelsCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  char *text;
  if (!models_read_kind(cursor, error) ||
      !model_list_config(cursor->list, table->session, models_row(cursor), cursor->kind, &text,
                         error)) {
    return false;
  }
  if (text != NULL) sqlite3_result_text(context, text, -1, memory_free);
  return true;
}

static bool models_result_of_state(sqlite3_context *context, ModelsCursor *cursor,
                                   enum ModelsColumn number, Error *error) {
  const ModelState *state = &cursor->state;
  if (!models_read_state(cursor, error)) return false;
  bool is_whole = state->problem == NULL;
  switch (number) {
    case MODELS_COLUMN_TENSORS:
      if (is_whole) result_uint64(context, state->tensors);
      break;
    case MODELS_COLUMN_NUMEL:
      if (is_whole) result_uint64(context, state->numel);
      break;
    case MODELS_COLUMN_NBYTES:
      if (is_whole) result_uint64(context, state->nbytes);
      break;
    case MODELS_COLUMN_STATUS:
      sqlite3_result_text(context, model_status_text(state->status), -1, SQLITE_STATIC);
      break;
    default:
      if (!is_whole) sqlite3_result_text(context, state->problem, -1, SQLITE_TRANSIENT);
      break;
  }
  return true;
}

static bool models_result(sqlite3_context *context, ModelsCursor *cursor, enum ModelsColumn number,
                          Error *error) {
  const ListedModel *model = models_row(cursor);
  switch (number) {
    case MODELS_COLUMN_MODEL:
      sqlite3_result_text(context, model->name, -1, SQLITE_TRANSIENT);
      return true;
    case MODELS_COLUMN_FILES: result_uint64(context, model->file_count); return true;
    case MODELS_COLUMN_INDEX_FILE:
      if (model->index != NULL) sqlite3_result_text(context, model->index, -1, SQLITE_TRANSIENT);
      return true;
    case MODELS_COLUMN_PATH: result_argument(context, cursor->argument); return true;
    case MODELS_COLUMN_SURPLUS_ARGUMENT: return true;
    case MODELS_COLUMN_KIND:
      if (!models_read_kind(cursor, error)) return false;
      sqlite3_result_text(context, model_kind_text(cursor->kind), -1, SQLITE_STATIC);
      return true;
    case MODELS_COLUMN_CONFIG: return models_result_config(context, cursor, error);
    default: return models_result_of_state(context, cursor, number, error);
  }
}

static void models_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  Error error = {0};
  ++*session_asked(((const PathTable *)base->pVtab)->session);
  if (!models_result(context, (ModelsCursor *)base, (enum ModelsColumn)number, &error))
    result_error(context, &error);
}

/* ---- The table ---- */

static const TableRows models_rows = {.cursor_size = sizeof(ModelsCursor),
                                      .late = true,
                                      .filter = models_filter,
                                      .next = models_next,
                                      .at_end = models_at_end,
                                      .rowid = models_rowid,
                                      .column = models_column,
                                      .clear = models_clear};

static int models_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_models", models_schema, &models_rows, out,
                            message);
}

const sqlite3_module safetensors_models_module = {
    .xConnect = models_connect,
    .xBestIndex = models_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
