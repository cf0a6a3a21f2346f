/*
** safetensors_files(path): one row per file of a checkpoint, whatever its state is.
**
**     SELECT file, status, error FROM safetensors_files('model.safetensors');
**
** `status` is 'ok', 'missing' or 'invalid'; `error` is the error with which the other tables would
** fail. Unlike them, this table never fails because of a file. What is unknown about a bad file is
** NULL. `size` is that of the file, `nbytes` that of all its tensors, header_size that of the JSON
** alone, and data_offset (hidden) is where the bytes of the tensors begin. Of the file itself, mtime
** is when it was written, in nanoseconds since 1970, and inode and device say which file it is: links
** to one file have the same.
*/
#include "sql/path_table.h"
#include "vtab/modules.h"

static const char files_schema[] =
    "CREATE TABLE x(file TEXT, size INTEGER, header_size INTEGER, tensors INTEGER, numel INTEGER, "
    "nbytes INTEGER, status TEXT, error TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", data_offset INTEGER HIDDEN, mtime INTEGER HIDDEN, inode INTEGER HIDDEN, device INTEGER "
    "HIDDEN)";

enum FilesColumn {
  FILES_COLUMN_FILE,
  FILES_COLUMN_SIZE,
  FILES_COLUMN_HEADER_SIZE,
  FILES_COLUMN_TENSORS,
  FILES_COLUMN_NUMEL,
  FILES_COLUMN_NBYTES,
  FILES_COLUMN_STATUS,
  FILES_COLUMN_ERROR,
  FILES_COLUMN_PATH,
  FILES_COLUMN_SURPLUS_ARGUMENT,
  FILES_COLUMN_DATA_OFFSET,
  FILES_COLUMN_MTIME,
  FILES_COLUMN_INODE,
  FILES_COLUMN_DEVICE
};

typedef struct FilesCursor {
  PathCursor path;
  Error error; /* of the current file */
  bool at_end;
} FilesCursor;

static int files_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 1000;
  info->estimatedRows = 10;
  return path_table_plan((PathTable *)base, info, FILES_COLUMN_PATH, 1, &next_argv);
}

static void files_clear(sqlite3_vtab_cursor *base) {
  error_clear(&((FilesCursor *)base)->error);
  path_cursor_clear(base);
}

static int files_go_to(FilesCursor *cursor, uint32_t number) {
  PathScan *scan = &cursor->path.scan;
  error_clear(&cursor->error);
  cursor->at_end = scan->checkpoint == NULL || number >= checkpoint_member_count(scan->checkpoint);
  if (cursor->at_end) return SQLITE_OK;
  scan->member_number = number;
  checkpoint_open_member(scan->checkpoint, number, &scan->member, &cursor->error);
  /* A fatal error says nothing about the file. */
  return error_is_fatal(cursor->error.code)
             ? result_vtab_error(cursor->path.base.pVtab, &cursor->error)
             : SQLITE_OK;
}

static int files_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  FilesCursor *cursor = (FilesCursor *)base;
  cursor->at_end = true;
  int code = path_scan_open((PathTable *)base->pVtab, &cursor->path.scan, plan, argv);
  return code == SQLITE_OK ? files_go_to(cursor, 0) : code;
}

static int files_next(sqlite3_vtab_cursor *base) {
  FilesCursor *cursor = (FilesCursor *)base;
  return files_go_to(cursor, cursor->path.scan.member_number + 1);
}

static bool files_at_end(const sqlite3_vtab_cursor *base) {
  return ((const FilesCursor *)base)->at_end;
}

static int files_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  PathScan *scan = &((FilesCursor *)base)->path.scan;
  return path_scan_rowid((PathTable *)base->pVtab, scan, 0,
                         checkpoint_member_count(scan->checkpoint), scan->member_number, out);
}

static const char *files_status(const FilesCursor *cursor) {
  switch (cursor->error.code) {
    case ERROR_NONE: return "ok";
    case ERROR_MISSING: return "missing";
    default: return "invalid";
  }
}

static uint64_t files_sum_numel(const Header *header) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    sum += tensor_entry_numel(&header->tensors[i]);
  }
  return sum;
}

static void files_result_of_header(sqlite3_context *context, const Header *header,
                                   enum FilesColumn number) {
  if (header == NULL) return;
  switch (number) {
    case FILES_COLUMN_HEADER_SIZE: result_uint64(context, header->length); break;
    case FILES_COLUMN_TENSORS: result_uint64(context, header->tensor_count); break;
    case FILES_COLUMN_NUMEL: result_uint64(context, files_sum_numel(header)); break;
    case FILES_COLUMN_NBYTES: result_uint64(context, header_data_nbytes(header)); break;
    case FILES_COLUMN_DATA_OFFSET: result_uint64(context, header_data_offset(header)); break;
    default: break;
  }
}

/* Numbers of 64 bits without a sign keep their bits. */
static void files_result_of_identity(sqlite3_context *context, const File *file,
                                     enum FilesColumn number) {
  if (file == NULL) return;
  switch (number) {
    case FILES_COLUMN_MTIME: sqlite3_result_int64(context, file->identity.modified); break;
    case FILES_COLUMN_INODE:
      sqlite3_result_int64(context, (sqlite3_int64)file->identity.inode);
      break;
    default: sqlite3_result_int64(context, (sqlite3_int64)file->identity.device); break;
  }
}

static void files_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const FilesCursor *cursor = (const FilesCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  ++*session_asked(((const PathTable *)base->pVtab)->session);
  switch ((enum FilesColumn)number) {
    case FILES_COLUMN_FILE: path_scan_result_file(scan, context); break;
    case FILES_COLUMN_SIZE:
      if (scan->member.size != MEMBER_SIZE_UNKNOWN) result_uint64(context, scan->member.size);
      break;
    case FILES_COLUMN_STATUS:
      sqlite3_result_text(context, files_status(cursor), -1, SQLITE_STATIC);
      break;
    case FILES_COLUMN_ERROR:
      sqlite3_result_text(context, cursor->error.message, -1, SQLITE_TRANSIENT);
      break;
    case FILES_COLUMN_PATH:
      path_scan_result_path((const PathTable *)base->pVtab, scan, context);
      break;
    case FILES_COLUMN_SURPLUS_ARGUMENT: break;
    case FILES_COLUMN_MTIME:
    case FILES_COLUMN_INODE:
    case FILES_COLUMN_DEVICE:
      files_result_of_identity(context, scan->member.file, (enum FilesColumn)number);
      break;
    default: files_result_of_header(context, scan->member.header, (enum FilesColumn)number); break;
  }
}

/* ---- The table ---- */

static const TableRows files_rows = {.cursor_size = sizeof(FilesCursor),
                                     .filter = files_filter,
                                     .next = files_next,
                                     .at_end = files_at_end,
                                     .rowid = files_rowid,
                                     .column = files_column,
                                     .clear = files_clear};

static int files_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_files", files_schema, &files_rows, out,
                            message);
}

const sqlite3_module safetensors_files_module = {
    .xConnect = files_connect,
    .xBestIndex = files_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
