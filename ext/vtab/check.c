/*
** safetensors_check(path): all that is wrong with a checkpoint, one row per finding; none when it
** is flawless.
**
**     SELECT severity, code, file, tensor, message FROM safetensors_check('models/llama');
**
** `severity` is 'error' for what the reference implementation refuses, or this extension by one
** of its documented strictnesses, or where an index and its shards contradict each other; else
** 'warning'. `code` is one of the stable codes of format/lint_code.h, which README explains.
** `offset` is the byte of `file` that the finding is about; NULL when it is about none. `tensor`
** is NULL when it is not about a tensor, `file` for a BLOB. Headers and indexes are read, not
** tensors. A path that names nothing good is a finding; only what is no path at all is an error.
*/
#include "base/memory.h"
#include "base/utf8.h"
#include "format/lint.h"
#include "func/host.h"
#include "vtab/modules.h"
#include "vtab/path_table.h"

static const char schema[] =
    "CREATE TABLE x(severity TEXT, code TEXT, file TEXT, tensor TEXT, offset INTEGER, message "
    "TEXT, " PATH_TABLE_HIDDEN_COLUMNS ")";

enum Column {
  COLUMN_SEVERITY,
  COLUMN_CODE,
  COLUMN_FILE,
  COLUMN_TENSOR,
  COLUMN_OFFSET,
  COLUMN_MESSAGE,
  COLUMN_PATH,
  COLUMN_SURPLUS_ARGUMENT
};

typedef struct CheckCursor {
  sqlite3_vtab_cursor base;
  sqlite3_value *argument; /* a copy */
  Lint *lint;              /* NULL when the path is NULL */
  const Finding *finding;  /* the lint's; NULL at the end */
  sqlite3_int64 row;
} CheckCursor;

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return path_table_connect(db, store, "safetensors_check", schema, out);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 10000;
  info->estimatedRows = 10;
  return path_table_plan((PathTable *)base, info, COLUMN_PATH, 1, &next_argv);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  CheckCursor *cursor = memory_zeroed(1, sizeof *cursor);
  if (cursor == NULL) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static void end(CheckCursor *cursor) {
  lint_close(cursor->lint);
  sqlite3_value_free(cursor->argument);
  cursor->lint = NULL;
  cursor->argument = NULL;
  cursor->finding = NULL;
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  end((CheckCursor *)base);
  memory_free(base);
  return SQLITE_OK;
}

static bool find_next(CheckCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->base.pVtab;
  bool done = false;
  cursor->row++;
  cursor->finding = NULL;
  for (;;) {
    if (!lint_step(cursor->lint, &cursor->finding, &done, error)) return false;
    if (cursor->finding != NULL || done) return true;
    if (host_interrupted(table->db)) {
      return error_raise(error, ERROR_INTERRUPT, table->name, "interrupted");
    }
  }
}

static bool start(CheckCursor *cursor, const PathTable *table, Error *error) {
  PathArgument argument;
  if (cursor->argument == NULL) return error_memory(error);
  if (!path_table_read(table, cursor->argument, &argument, error)) return false;
  if (argument.path != NULL) {
    cursor->lint = lint_path(argument.path, argument.length, error);
  } else if (argument.blob != NULL) {
    cursor->lint = lint_blob(argument.blob, argument.length, error);
  } else {
    return true;
  }
  return cursor->lint != NULL && find_next(cursor, error);
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  CheckCursor *cursor = (CheckCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  Error error = {0};
  end(cursor);
  cursor->row = 0;
  if ((plan & PLAN_PATH) == 0) {
    path_table_raise_no_path(table, &error);
  } else {
    cursor->argument = sqlite3_value_dup(argv[0]);
    start(cursor, table, &error);
  }
  return error.code == ERROR_NONE ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

static int next(sqlite3_vtab_cursor *base) {
  Error error = {0};
  if (find_next((CheckCursor *)base, &error)) return SQLITE_OK;
  return result_vtab_error(base->pVtab, &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const CheckCursor *)base)->finding == NULL;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((const CheckCursor *)base)->row;
  return SQLITE_OK;
}

/* A name out of a header that is not UTF-8 may not be either. */
static void result_name(sqlite3_context *context, const char *name, uint64_t length) {
  if (utf8_valid_length(name, length) == length) {
    sqlite3_result_text64(context, name, length, SQLITE_TRANSIENT, SQLITE_UTF8);
    return;
  }
  char *mended = memory_copy_text(name, length);
  if (mended == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  utf8_mend(mended, length);
  sqlite3_result_text64(context, mended, length, sqlite3_free, SQLITE_UTF8);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const CheckCursor *cursor = (const CheckCursor *)base;
  const Finding *finding = cursor->finding;
  const char *severity = lint_code_is_error(finding->code) ? "error" : "warning";
  switch ((enum Column)number) {
    case COLUMN_SEVERITY: sqlite3_result_text(context, severity, -1, SQLITE_STATIC); break;
    case COLUMN_CODE:
      sqlite3_result_text(context, lint_code_name(finding->code), -1, SQLITE_STATIC);
      break;
    case COLUMN_FILE: sqlite3_result_text(context, finding->file, -1, SQLITE_TRANSIENT); break;
    case COLUMN_TENSOR:
      if (finding->tensor != NULL) result_name(context, finding->tensor, finding->tensor_length);
      break;
    case COLUMN_OFFSET:
      if (finding->offset != FINDING_NO_OFFSET) result_uint64(context, finding->offset);
      break;
    case COLUMN_MESSAGE:
      sqlite3_result_text(context, finding->message, -1, SQLITE_TRANSIENT);
      break;
    case COLUMN_PATH: sqlite3_result_value(context, cursor->argument); break;
    case COLUMN_SURPLUS_ARGUMENT: break;
  }
  return SQLITE_OK;
}

const sqlite3_module safetensors_check_module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = path_table_disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = column,
    .xRowid = rowid,
};
