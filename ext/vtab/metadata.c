/*
** safetensors_metadata(path): one row per key of the files' __metadata__, in the order of the
** header. Key and value are TEXT, as the format requires; a value may contain NUL characters.
**
**     SELECT key, value FROM safetensors_metadata('lora.safetensors') WHERE key LIKE 'ss_%';
**
** A table made by CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('lora.safetensors') can
** be written: see write/edit_metadata.c.
*/
#include "sql/argument.h"
#include "sql/kind_table.h"
#include "sql/path_table.h"
#include "vtab/modules.h"
#include "write/edit_metadata.h"

static const char metadata_schema[] =
    "CREATE TABLE x(key TEXT, value TEXT, file TEXT, " PATH_TABLE_HIDDEN_COLUMNS ")";

enum MetadataColumn {
  METADATA_COLUMN_KEY,
  METADATA_COLUMN_VALUE,
  METADATA_COLUMN_FILE,
  METADATA_COLUMN_PATH,
  METADATA_COLUMN_SURPLUS_ARGUMENT
};

typedef struct MetadataCursor {
  PathCursor path;
  uint32_t row;
  bool at_end;
} MetadataCursor;

static int metadata_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 100;
  info->estimatedRows = 25;
  late_plan(info, METADATA_COLUMN_PATH, 1);
  return path_table_plan((PathTable *)base, info, METADATA_COLUMN_PATH, 1, &next_argv);
}

static int metadata_find_rows(MetadataCursor *cursor, uint32_t number) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  cursor->row = 0;
  for (;; number = scan->member_number + 1) {
    bool more;
    cursor->at_end = true;
    int code = path_scan_member(table, scan, number, &more);
    if (code != SQLITE_OK || !more) return code;
    cursor->at_end = false;
    if (scan->member.header->metadata_count > 0) return SQLITE_OK;
  }
}

static int metadata_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  MetadataCursor *cursor = (MetadataCursor *)base;
  cursor->at_end = true;
  PathTable *table = (PathTable *)base->pVtab;
  int code = path_scan_open(table, &cursor->path.scan, plan, argv);
  return code == SQLITE_OK ? metadata_find_rows(cursor, 0) : code;
}

static int metadata_next(sqlite3_vtab_cursor *base) {
  MetadataCursor *cursor = (MetadataCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  if (++cursor->row < scan->member.header->metadata_count) return SQLITE_OK;
  return metadata_find_rows(cursor, scan->member_number + 1);
}

static bool metadata_at_end(const sqlite3_vtab_cursor *base) {
  const MetadataCursor *cursor = (const MetadataCursor *)base;
  return cursor->at_end;
}

static int metadata_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  MetadataCursor *cursor = (MetadataCursor *)base;
  PathScan *scan = &cursor->path.scan;
  return path_scan_rowid((PathTable *)base->pVtab, scan, scan->member_number,
                         scan->member.header->metadata_count, cursor->row, out);
}

static void metadata_result_span(sqlite3_context *context, const Header *header, Span span) {
  sqlite3_result_text64(context, header->text + span.offset, span.length, SQLITE_TRANSIENT,
                        SQLITE_UTF8);
}

static void metadata_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const MetadataCursor *cursor = (const MetadataCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  const Header *header = scan->member.header;
  const MetadataEntry *entry = &header->metadata[cursor->row];
  switch ((enum MetadataColumn)number) {
    case METADATA_COLUMN_KEY: metadata_result_span(context, header, entry->key); break;
    case METADATA_COLUMN_VALUE: metadata_result_span(context, header, entry->value); break;
    case METADATA_COLUMN_FILE: path_scan_result_file(scan, context); break;
    case METADATA_COLUMN_PATH:
      path_scan_result_path((const PathTable *)base->pVtab, scan, context);
      break;
    case METADATA_COLUMN_SURPLUS_ARGUMENT: break;
  }
}

static const TableRows metadata_rows = {.cursor_size = sizeof(MetadataCursor),
                                        .late = true,
                                        .filter = metadata_filter,
                                        .next = metadata_next,
                                        .at_end = metadata_at_end,
                                        .rowid = metadata_rowid,
                                        .column = metadata_column,
                                        .clear = path_cursor_clear};

/* Writing to the eponymous table is an error: it has no path of its own. */
static int metadata_refuse_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                                  sqlite3_int64 *rowid) {
  (void)argc, (void)argv, (void)rowid;
  const PathTable *table = (const PathTable *)base;
  Error error = {0};
  error_fill(
      &error, ERROR_READ_ONLY, table->name,
      "expected a table of the temp schema for writing, found the function; CREATE VIRTUAL TABLE "
      "temp.meta USING safetensors_metadata('model.safetensors')");
  return result_vtab_error(base, &error);
}

static const sqlite3_module metadata_function = {.xBestIndex = metadata_best_index,
                                                 .xDisconnect = path_table_disconnect,
                                                 .xDestroy = path_table_disconnect,
                                                 TABLE_METHODS,
                                                 .xUpdate = metadata_refuse_update};

/* The eponymous table has the name of the module. */
static int metadata_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                            sqlite3_vtab **out, char **message) {
  if (argc > ARGUMENT_FIRST_OF_MODULE || sqlite3_stricmp(argv[0], argv[2]) != 0)
    return edit_metadata_connect(db, session, argc, argv, out, message);
  int code = path_table_connect(db, session, "safetensors_metadata", metadata_schema,
                                &metadata_rows, out, message);
  if (code == SQLITE_OK) ((PathTable *)*out)->kind = &metadata_function;
  return code;
}

const sqlite3_module safetensors_metadata_module = {
    .xCreate = metadata_connect, .xConnect = metadata_connect, KIND_TABLE_METHODS};
