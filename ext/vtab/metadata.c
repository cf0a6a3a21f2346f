/*
** safetensors_metadata(path): one row per key of the files' __metadata__, in the header's order.
** Both key and value are TEXT, as the format demands; a value may contain NUL characters.
**
**     SELECT key, value FROM safetensors_metadata('lora.safetensors') WHERE key LIKE 'ss_%';
*/
#include "vtab/modules.h"
#include "vtab/path_table.h"

static const char schema[] =
    "CREATE TABLE x(key TEXT, value TEXT, file TEXT, " PATH_TABLE_HIDDEN_COLUMNS ")";

enum Column { COLUMN_KEY, COLUMN_VALUE, COLUMN_FILE, COLUMN_PATH, COLUMN_SURPLUS_ARGUMENT };

typedef struct MetadataCursor {
  PathCursor path;
  uint32_t row;
  bool at_end;
} MetadataCursor;

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return path_table_connect(db, store, "safetensors_metadata", schema, out);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 100;
  info->estimatedRows = 25;
  return path_table_plan((PathTable *)base, info, COLUMN_PATH, 1, &next_argv);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return path_cursor_open(out, sizeof(MetadataCursor));
}

static int find_rows(MetadataCursor *cursor, uint32_t number) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  cursor->row = 0;
  for (;; number++) {
    bool more;
    cursor->at_end = true;
    int code = path_scan_member(table, scan, number, &more);
    if (code != SQLITE_OK || !more) return code;
    cursor->at_end = false;
    if (scan->member.header->metadata_count > 0) return SQLITE_OK;
  }
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  MetadataCursor *cursor = (MetadataCursor *)base;
  cursor->at_end = true;
  int code = path_scan_open((PathTable *)base->pVtab, &cursor->path.scan, plan, argv);
  return code == SQLITE_OK ? find_rows(cursor, 0) : code;
}

static int next(sqlite3_vtab_cursor *base) {
  MetadataCursor *cursor = (MetadataCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  if (++cursor->row < scan->member.header->metadata_count) return SQLITE_OK;
  return find_rows(cursor, scan->member_number + 1);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const MetadataCursor *)base)->at_end;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  const MetadataCursor *cursor = (const MetadataCursor *)base;
  *out = path_scan_rowid(&cursor->path.scan, cursor->row);
  return SQLITE_OK;
}

static void result_span(sqlite3_context *context, const Header *header, Span span) {
  sqlite3_result_text64(context, header->text + span.offset, span.length, SQLITE_TRANSIENT,
                        SQLITE_UTF8);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const MetadataCursor *cursor = (const MetadataCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  const Header *header = scan->member.header;
  const MetadataEntry *entry = &header->metadata[cursor->row];
  switch ((enum Column)number) {
    case COLUMN_KEY: result_span(context, header, entry->key); break;
    case COLUMN_VALUE: result_span(context, header, entry->value); break;
    case COLUMN_FILE: path_scan_result_file(scan, context); break;
    case COLUMN_PATH: path_scan_result_path((const PathTable *)base->pVtab, scan, context); break;
    case COLUMN_SURPLUS_ARGUMENT: break;
  }
  return SQLITE_OK;
}

const sqlite3_module safetensors_metadata_module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = path_table_disconnect,
    .xOpen = cursor_open,
    .xClose = path_cursor_close,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = column,
    .xRowid = rowid,
};
