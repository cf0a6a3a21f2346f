/*
** safetensors_check(path): everything that is wrong with a checkpoint, one row per finding, and no
** rows if nothing is.
**
**     SELECT severity, code, file, tensor, message FROM safetensors_check('models/llama');
**
** `severity` is 'error' if the reference implementation refuses the file, if this extension does by
** one of its documented restrictions, or if an index and its shards contradict each other; else it
** is 'warning'. `code` is one of the stable codes of check/lint_code.h, which ext/docs/reference.md
** explains. `offset` is the byte of `file` that the finding is about, if there is one. `tensor` is
** NULL if the finding is not about a tensor, and `file` is NULL for a BLOB. Headers and indexes are
** read, but not tensors. It is a finding if a path leads to nothing valid, and an error only if the
** argument is not a path.
*/
#include "base/memory.h"
#include "check/lint.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "vtab/modules.h"

static const char check_schema[] =
    "CREATE TABLE x(severity TEXT, code TEXT, file TEXT, tensor TEXT, offset INTEGER, message "
    "TEXT, " PATH_TABLE_HIDDEN_COLUMNS ")";

enum CheckColumn {
  CHECK_COLUMN_SEVERITY,
  CHECK_COLUMN_CODE,
  CHECK_COLUMN_FILE,
  CHECK_COLUMN_TENSOR,
  CHECK_COLUMN_OFFSET,
  CHECK_COLUMN_MESSAGE,
  CHECK_COLUMN_PATH,
  CHECK_COLUMN_SURPLUS_ARGUMENT
};

typedef struct CheckCursor {
  TABLE_CURSOR_MEMBERS
  sqlite3_value *argument; /* a copy */
  RowIdentity rows;
  Lint *lint;             /* NULL when the path is NULL */
  const Finding *finding; /* belongs to the lint; NULL at the end */
  uint64_t row;
} CheckCursor;

static int check_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 10000;
  info->estimatedRows = 10;
  return path_table_plan((PathTable *)base, info, CHECK_COLUMN_PATH, 1, &next_argv);
}

static void check_clear(sqlite3_vtab_cursor *base) {
  CheckCursor *cursor = (CheckCursor *)base;
  lint_close(cursor->lint);
  sqlite3_value_free(cursor->argument);
  cursor->lint = NULL;
  cursor->rows = (RowIdentity){0};
  cursor->argument = NULL;
  cursor->finding = NULL;
}

static bool check_find_next(CheckCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  bool done = false;
  cursor->row++;
  cursor->finding = NULL;
  for (;;) {
    if (!lint_step(cursor->lint, &cursor->finding, &done, error)) return false;
    if (cursor->finding != NULL || done) return true;
    if (!cancel_go_on(session_cancel(table->session), table->name, error)) return false;
  }
}

static bool check_start(CheckCursor *cursor, const PathTable *table, Error *error) {
  PathArgument argument;
  if (cursor->argument == NULL) return error_memory(error);
  if (!path_table_read(table, cursor->argument, &argument, error)) return false;
  if (argument.path != NULL) {
    cursor->lint = lint_path(table->session, argument.path, argument.length, error);
  } else if (argument.blob != NULL) {
    cursor->lint = lint_blob(table->session, argument.blob, argument.length, error);
  } else {
    return true;
  }
  return cursor->lint != NULL && check_find_next(cursor, error);
}

static int check_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  CheckCursor *cursor = (CheckCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  Error error = {0};
  check_clear(base);
  cursor->row = 0;
  if ((plan & PATH_PLAN_PATH) == 0) {
    path_table_raise_no_path(table, &error);
  } else {
    cursor->argument = sqlite3_value_dup(argv[0]);
    check_start(cursor, table, &error);
  }
  return error.code == ERROR_NONE ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

static int check_next(sqlite3_vtab_cursor *base) {
  Error error = {0};
  if (check_find_next((CheckCursor *)base, &error)) return SQLITE_OK;
  return result_vtab_error(base->pVtab, &error);
}

static bool check_at_end(const sqlite3_vtab_cursor *base) {
  return ((const CheckCursor *)base)->finding == NULL;
}

static int check_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  enum { CHECK_PART_ROWS = 1 << 16 }; /* how many rows there will be is unknown */
  CheckCursor *cursor = (CheckCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  const RowArguments arguments = {&table->base, table->session, table->name, 1, &cursor->argument};
  return row_identity_rowid(&cursor->rows, &arguments, cursor->row / CHECK_PART_ROWS,
                            CHECK_PART_ROWS, cursor->row % CHECK_PART_ROWS, out);
}

static void check_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const CheckCursor *cursor = (const CheckCursor *)base;
  const Finding *finding = cursor->finding;
  const char *severity = lint_code_is_error(finding->code) ? "error" : "warning";
  switch ((enum CheckColumn)number) {
    case CHECK_COLUMN_SEVERITY: sqlite3_result_text(context, severity, -1, SQLITE_STATIC); break;
    case CHECK_COLUMN_CODE:
      sqlite3_result_text(context, lint_code_name(finding->code), -1, SQLITE_STATIC);
      break;
    case CHECK_COLUMN_FILE:
      if (finding->file != NULL) result_path(context, finding->file);
      break;
    case CHECK_COLUMN_TENSOR:
      if (finding->tensor != NULL) column_name(context, finding->tensor, finding->tensor_length);
      break;
    case CHECK_COLUMN_OFFSET:
      if (finding->offset != FINDING_NO_OFFSET) result_uint64(context, finding->offset);
      break;
    case CHECK_COLUMN_MESSAGE:
      sqlite3_result_text(context, finding->message, -1, SQLITE_TRANSIENT);
      break;
    case CHECK_COLUMN_PATH: result_argument(context, cursor->argument); break;
    case CHECK_COLUMN_SURPLUS_ARGUMENT: break;
  }
}

/* ---- The table ---- */

static const TableRows check_rows = {.cursor_size = sizeof(CheckCursor),
                                     .filter = check_filter,
                                     .next = check_next,
                                     .at_end = check_at_end,
                                     .rowid = check_rowid,
                                     .column = check_column,
                                     .clear = check_clear};

static int check_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_check", check_schema, &check_rows, out,
                            message);
}

const sqlite3_module safetensors_check_module = {
    .xConnect = check_connect,
    .xBestIndex = check_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
