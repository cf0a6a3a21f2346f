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
** to one file have the same. header_hash is the hash of the header's JSON, and layout that of what it
** says of the tensors (format/layout_hash.h). digest is the one by which a hub knows the file
** (model/file_digest.h).
**
** The header is read when a column needs it first. Without such a column, a file is only looked at,
** or not even that.
*/
#include "base/digest.h"
#include "format/layout_hash.h"
#include "model/file_digest.h"
#include "sql/path_table.h"
#include "tensor/hash.h"
#include "vtab/modules.h"

static const char files_schema[] =
    "CREATE TABLE x(file TEXT, size INTEGER, header_size INTEGER, tensors INTEGER, numel INTEGER, "
    "nbytes INTEGER, status TEXT, error TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", data_offset INTEGER HIDDEN, mtime INTEGER HIDDEN, inode INTEGER HIDDEN, device INTEGER "
    "HIDDEN, header_hash TEXT HIDDEN, layout TEXT HIDDEN, digest TEXT HIDDEN)";

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
  FILES_COLUMN_DEVICE,
  FILES_COLUMN_HEADER_HASH,
  FILES_COLUMN_LAYOUT,
  FILES_COLUMN_DIGEST
};

typedef struct FilesCursor {
  PathCursor path;
  bool at_end;
  /* the current file: */
  bool opened;           /* the header has been read, or `error` says why not */
  bool looked, known;    /* whether it was looked at, and whether that succeeded */
  FileIdentity identity; /* if it is known */
  Error error;
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
  cursor->opened = cursor->looked = cursor->known = false;
  cursor->at_end = scan->checkpoint == NULL || number >= checkpoint_member_count(scan->checkpoint);
  if (cursor->at_end) return SQLITE_OK;
  scan->member_number = number;
  scan->member = (Member){.path = checkpoint_member_path(scan->checkpoint, number)};
  return path_table_go_on((PathTable *)cursor->path.base.pVtab, number);
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

/* ---- The file itself ---- */

/* Which file it is, and in which state; NULL if that is not known. */
static const FileIdentity *files_identity(FilesCursor *cursor) {
  const PathScan *scan = &cursor->path.scan;
  if (scan->member.file != NULL) return &scan->member.file->identity;
  if (!cursor->looked) {
    cursor->looked = true;
    cursor->known = checkpoint_look_at_member(scan->checkpoint, scan->member_number,
                                              &cursor->identity, &cursor->error);
  }
  return cursor->known ? &cursor->identity : NULL;
}

/* A row is about one state of the file. */
static void files_check_state(FilesCursor *cursor) {
  Member *member = &cursor->path.scan.member;
  if (!cursor->known || member->file == NULL ||
      file_identity_unchanged(&member->file->identity, &cursor->identity)) {
    return;
  }
  error_fill(&cursor->error, ERROR_CHANGED, member->path,
             "expected the file in the state in which it was looked at, found that it has changed "
             "since; run the statement again");
  member->file = NULL;
  member->header = NULL;
}

/* Reads the header, unless it has been read. A fatal error says nothing about the file: then the
** result of the column is that error, and this returns false. */
static bool files_open(FilesCursor *cursor, sqlite3_context *context) {
  PathScan *scan = &cursor->path.scan;
  if (!cursor->opened) {
    checkpoint_open_member(scan->checkpoint, scan->member_number, &scan->member, &cursor->error);
    if (error_is_fatal(cursor->error.code)) {
      result_error(context, &cursor->error);
      return false;
    }
    files_check_state(cursor);
    cursor->opened = true;
  }
  return true;
}

/* A list of the network, which has come, says the size of its files without asking for them. */
static void files_result_size(FilesCursor *cursor, sqlite3_context *context) {
  PathScan *scan = &cursor->path.scan;
  NetworkListed listed;
  Network *network = session_network(checkpoint_session(scan->checkpoint));
  if (scan->member.file == NULL && scan->member.path != NULL &&
      network_has(network, scan->member.path) &&
      network_listed(network, scan->member.path, &listed)) {
    result_uint64(context, listed.size);
    return;
  }
  const FileIdentity *identity = files_identity(cursor);
  if (identity != NULL) {
    result_uint64(context, identity->size);
  } else if (error_is_fatal(cursor->error.code)) {
    result_error(context, &cursor->error);
  } else if (scan->member.path == NULL && files_open(cursor, context)) { /* a BLOB */
    result_uint64(context, scan->member.size);
  }
}

/* Numbers of 64 bits without a sign keep their bits. */
static void files_result_of_identity(FilesCursor *cursor, sqlite3_context *context,
                                     enum FilesColumn number) {
  const FileIdentity *identity = files_identity(cursor);
  if (identity == NULL) return;
  switch (number) {
    case FILES_COLUMN_MTIME: /* nobody says it of files of the network */
      if (identity->device != NETWORK_DEVICE) sqlite3_result_int64(context, identity->modified);
      break;
    case FILES_COLUMN_INODE: sqlite3_result_int64(context, (sqlite3_int64)identity->inode); break;
    default: sqlite3_result_int64(context, (sqlite3_int64)identity->device); break;
  }
}

/* ---- Its fingerprints ---- */

static void files_result_bytes(sqlite3_context *context, const unsigned char *bytes) {
  char text[2 * LAYOUT_HASH_SIZE + 1];
  digest_text(bytes, LAYOUT_HASH_SIZE, text);
  sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* What each of them is called in messages. */
static const char *files_subject(const PathScan *scan) {
  return scan->member.path != NULL ? scan->member.path : "BLOB";
}

static void files_result_layout(sqlite3_context *context, const PathScan *scan) {
  unsigned char bytes[LAYOUT_HASH_SIZE];
  Error error = {0};
  Cancel *cancel = session_cancel(checkpoint_session(scan->checkpoint));
  if (scan->member.header == NULL) return;
  if (layout_hash(scan->member.header, files_subject(scan), cancel, bytes, &error)) {
    files_result_bytes(context, bytes);
  } else {
    result_error(context, &error);
  }
}

/* The header is hashed as a tensor of bytes at its place would be: its text is no longer there. */
static void files_result_header_hash(sqlite3_context *context, const PathScan *scan) {
  const Header *header = scan->member.header;
  if (header == NULL) return;
  Source source = checkpoint_bytes(scan->checkpoint, &scan->member, HEADER_PREFIX_SIZE,
                                   header_data_offset(header) - HEADER_PREFIX_SIZE);
  TensorName about = {.subject = files_subject(scan)};
  View view = {0};
  Hash hash;
  Error error = {0};
  if (view_open_shape(&view, &source.nbytes, 1, &about, &error) &&
      hash_run(&source, &view, 8, NULL, &hash, &error)) {
    files_result_bytes(context, hash.bytes);
  } else {
    result_error(context, &error);
  }
  view_clear(&view);
}

static void files_result_digest(sqlite3_context *context, const PathScan *scan) {
  char text[FILE_DIGEST_PUBLISHED_SIZE];
  Error error = {0};
  if (scan->member.path == NULL) return;
  if (!file_digest_published(checkpoint_session(scan->checkpoint), scan->member.path, text,
                             &error)) {
    result_error(context, &error);
  } else if (text[0] != '\0') {
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  }
}

/* ---- Columns ---- */

static void files_result_of_opened(FilesCursor *cursor, sqlite3_context *context,
                                   enum FilesColumn number) {
  const PathScan *scan = &cursor->path.scan;
  if (!files_open(cursor, context)) return;
  switch (number) {
    case FILES_COLUMN_STATUS:
      sqlite3_result_text(context, files_status(cursor), -1, SQLITE_STATIC);
      break;
    case FILES_COLUMN_ERROR:
      sqlite3_result_text(context, cursor->error.message, -1, SQLITE_TRANSIENT);
      break;
    case FILES_COLUMN_HEADER_HASH: files_result_header_hash(context, scan); break;
    case FILES_COLUMN_LAYOUT: files_result_layout(context, scan); break;
    default: files_result_of_header(context, scan->member.header, number); break;
  }
}

static void files_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  FilesCursor *cursor = (FilesCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  ++*session_asked(((const PathTable *)base->pVtab)->session);
  switch ((enum FilesColumn)number) {
    case FILES_COLUMN_FILE: path_scan_result_file(scan, context); break;
    case FILES_COLUMN_SIZE: files_result_size(cursor, context); break;
    case FILES_COLUMN_PATH:
      path_scan_result_path((const PathTable *)base->pVtab, scan, context);
      break;
    case FILES_COLUMN_SURPLUS_ARGUMENT: break;
    case FILES_COLUMN_DIGEST: files_result_digest(context, scan); break;
    case FILES_COLUMN_MTIME:
    case FILES_COLUMN_INODE:
    case FILES_COLUMN_DEVICE:
      files_result_of_identity(cursor, context, (enum FilesColumn)number);
      break;
    default: files_result_of_opened(cursor, context, (enum FilesColumn)number); break;
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
