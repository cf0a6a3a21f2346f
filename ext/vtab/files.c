/*
** safetensors_files(path): one row per file of a checkpoint, whatever state it is in.
**
**     SELECT file, status, error FROM safetensors_files('model.safetensors');
**
** `status` is 'ok', 'missing' or 'invalid'; `error` says why, in the words with which the other
** tables would stop. Unlike them, this table never fails because of a file. What cannot be known
** of a bad file is NULL. `size` is the file's, `nbytes` that of all its tensors, header_size the
** JSON's alone, data_offset (hidden) where the tensors' bytes begin.
*/
#include "vtab/modules.h"
#include "vtab/path_table.h"

static const char schema[] =
    "CREATE TABLE x(file TEXT, size INTEGER, header_size INTEGER, tensors INTEGER, numel INTEGER, "
    "nbytes INTEGER, status TEXT, error TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", data_offset INTEGER HIDDEN)";

enum Column {
  COLUMN_FILE,
  COLUMN_SIZE,
  COLUMN_HEADER_SIZE,
  COLUMN_TENSORS,
  COLUMN_NUMEL,
  COLUMN_NBYTES,
  COLUMN_STATUS,
  COLUMN_ERROR,
  COLUMN_PATH,
  COLUMN_SURPLUS_ARGUMENT,
  COLUMN_DATA_OFFSET
};

typedef struct FilesCursor {
  PathCursor path;
  Error error; /* of the current file */
  bool at_end;
} FilesCursor;

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return path_table_connect(db, store, "safetensors_files", schema, out);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 1000;
  info->estimatedRows = 10;
  return path_table_plan((PathTable *)base, info, COLUMN_PATH, 1, &next_argv);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return path_cursor_open(out, sizeof(FilesCursor));
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  error_clear(&((FilesCursor *)base)->error);
  return path_cursor_close(base);
}

static int go_to(FilesCursor *cursor, uint32_t number) {
  PathScan *scan = &cursor->path.scan;
  error_clear(&cursor->error);
  cursor->at_end = scan->checkpoint == NULL || number >= checkpoint_member_count(scan->checkpoint);
  if (cursor->at_end) return SQLITE_OK;
  scan->member_number = number;
  checkpoint_open_member(scan->checkpoint, number, &scan->member, &cursor->error);
  return cursor->error.code == ERROR_MEMORY ? SQLITE_NOMEM : SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  FilesCursor *cursor = (FilesCursor *)base;
  cursor->at_end = true;
  int code = path_scan_open((PathTable *)base->pVtab, &cursor->path.scan, plan, argv);
  return code == SQLITE_OK ? go_to(cursor, 0) : code;
}

static int next(sqlite3_vtab_cursor *base) {
  FilesCursor *cursor = (FilesCursor *)base;
  return go_to(cursor, cursor->path.scan.member_number + 1);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const FilesCursor *)base)->at_end;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = path_scan_rowid(&((const FilesCursor *)base)->path.scan, 0);
  return SQLITE_OK;
}

static const char *status(const FilesCursor *cursor) {
  switch (cursor->error.code) {
    case ERROR_NONE: return "ok";
    case ERROR_MISSING: return "missing";
    default: return "invalid";
  }
}

static uint64_t sum_numel(const Header *header) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    sum += tensor_entry_numel(&header->tensors[i]);
  }
  return sum;
}

static void result_of_header(sqlite3_context *context, const Header *header, enum Column number) {
  if (header == NULL) return;
  switch (number) {
    case COLUMN_HEADER_SIZE: result_uint64(context, header->length); break;
    case COLUMN_TENSORS: result_uint64(context, header->tensor_count); break;
    case COLUMN_NUMEL: result_uint64(context, sum_numel(header)); break;
    case COLUMN_NBYTES: result_uint64(context, header_data_nbytes(header)); break;
    case COLUMN_DATA_OFFSET: result_uint64(context, header_data_offset(header)); break;
    default: break;
  }
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const FilesCursor *cursor = (const FilesCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  switch ((enum Column)number) {
    case COLUMN_FILE: path_scan_result_file(scan, context); break;
    case COLUMN_SIZE:
      if (scan->member.size != MEMBER_SIZE_UNKNOWN) result_uint64(context, scan->member.size);
      break;
    case COLUMN_STATUS: sqlite3_result_text(context, status(cursor), -1, SQLITE_STATIC); break;
    case COLUMN_ERROR:
      sqlite3_result_text(context, cursor->error.message, -1, SQLITE_TRANSIENT);
      break;
    case COLUMN_PATH: path_scan_result_path((const PathTable *)base->pVtab, scan, context); break;
    case COLUMN_SURPLUS_ARGUMENT: break;
    default: result_of_header(context, scan->member.header, (enum Column)number); break;
  }
  return SQLITE_OK;
}

const sqlite3_module safetensors_files_module = {
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
