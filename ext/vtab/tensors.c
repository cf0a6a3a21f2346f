/*
** safetensors_tensors(path): one row per tensor of a checkpoint. And the same columns under a name
** of one's own:
**
**     SELECT name, dtype, shape FROM safetensors_tensors('model.safetensors');
**     CREATE VIRTUAL TABLE m USING safetensors('model.safetensors');
**
** Rows come in the order of their bytes in the file. name = ? and name IN (...) are hash lookups
** (under BINARY collation); ORDER BY offset costs no sort. rowid is unique over the path and does
** not depend on the plan. `data` is the tensor's bytes, not copied, valid until the connection
** closes; it is computed only for rows and statements that read it, and is an error above the
** connection's length limit.
*/
#include <string.h>

#include "func/tensor_result.h"
#include "vtab/modules.h"
#include "vtab/offset_order.h"
#include "vtab/path_table.h"
#include "vtab/tensor_columns.h"

static const char schema[] =
    "CREATE TABLE x(name TEXT, dtype TEXT, shape TEXT, numel INTEGER, nbytes INTEGER, "
    "offset INTEGER, file TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", rank INTEGER HIDDEN, layer INTEGER HIDDEN, pattern TEXT HIDDEN, ref TEXT HIDDEN, "
    "data BLOB HIDDEN)";

enum Column {
  COLUMN_NAME,
  COLUMN_DTYPE,
  COLUMN_SHAPE,
  COLUMN_NUMEL,
  COLUMN_NBYTES,
  COLUMN_OFFSET,
  COLUMN_FILE,
  COLUMN_PATH,
  COLUMN_SURPLUS_ARGUMENT,
  COLUMN_RANK,
  COLUMN_LAYER,
  COLUMN_PATTERN,
  COLUMN_REF,
  COLUMN_DATA
};

typedef struct TensorsCursor {
  PathCursor path;
  const TensorEntry *entry, *end; /* the rows left of this member; entry == end at the very end */
  sqlite3_value *wanted;          /* the name looked up in several members; else NULL */
  bool looked_up;                 /* there is one row, and there are no more */
  OffsetOrder order;              /* of several members by offset; else empty */
} TensorsCursor;

static const char function_name[] = "safetensors_tensors";

static int connect_function(sqlite3 *db, void *store, int argc, const char *const *argv,
                            sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv, (void)message;
  return path_table_connect(db, store, function_name, schema, out);
}

/* ---- CREATE VIRTUAL TABLE name USING safetensors('path') ---- */

/* The path in the module's one argument, without SQL quotes. NULL when memory runs out. */
static char *unquote(const char *argument) {
  char quote = argument[0];
  char *path = sqlite3_mprintf("%s", argument);
  if (path == NULL || (quote != '\'' && quote != '"' && quote != '`')) return path;
  char *out = path;
  for (const char *in = argument + 1; *in != '\0'; in++) {
    if (*in == quote && *++in != quote) break;
    *out++ = *in;
  }
  *out = '\0';
  return path;
}

static int connect_table(sqlite3 *db, void *store, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message) {
  enum { MODULE_ARGUMENTS = 3 }; /* module, database, table; then the user's */
  if (argc != MODULE_ARGUMENTS + 1) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, argv[2],
               "expected one argument, the path: CREATE VIRTUAL TABLE %s USING "
               "safetensors('model.safetensors')",
               argv[2]);
    int code = result_code(error.code);
    *message = error_take(&error);
    return code;
  }
  int code = path_table_connect(db, store, function_name, schema, out);
  if (code != SQLITE_OK) return code;
  PathTable *table = (PathTable *)*out;
  table->fixed_path = unquote(argv[MODULE_ARGUMENTS]);
  if (table->fixed_path != NULL) return SQLITE_OK;
  path_table_disconnect(*out);
  *out = NULL;
  return SQLITE_NOMEM;
}

/* Creating checks that the path can be read; connecting does not: a table whose file is gone must
** still be one that can be dropped. */
static int create_table(sqlite3 *db, void *store, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  int code = connect_table(db, store, argc, argv, out, message);
  if (code != SQLITE_OK) return code;
  PathTable *table = (PathTable *)*out;
  PathScan scan = {0};
  bool more = true;
  code = path_scan_open(table, &scan, 0, NULL);
  if (code == SQLITE_OK) code = path_scan_verify(table, &scan);
  for (uint32_t i = 0; code == SQLITE_OK && more; i++) {
    code = path_scan_member(table, &scan, i, &more);
  }
  path_scan_close(&scan);
  if (code == SQLITE_OK) return SQLITE_OK;
  *message = table->base.zErrMsg;
  path_table_disconnect(*out);
  *out = NULL;
  return code;
}

/* ---- Planning ---- */

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  static const char *const plan_text[] = {
      "all tensors",         "all tensors of path",    "name lookup",
      "name lookup in path", "all tensors, by offset", "all tensors of path, by offset"};
  int next_argv;
  info->estimatedCost = 10000;
  info->estimatedRows = 1000;
  int code = path_table_plan((PathTable *)base, info, COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  path_table_plan_name(info, COLUMN_NAME, next_argv);
  if ((info->idxNum & PLAN_NAME) != 0 && info->estimatedCost < 1e9) {
    info->estimatedCost = 10;
    info->estimatedRows = 1;
  }
  if ((info->idxNum & PLAN_NAME) == 0 && info->nOrderBy == 1 &&
      info->aOrderBy[0].iColumn == COLUMN_OFFSET && !info->aOrderBy[0].desc) {
    info->orderByConsumed = 1;
    info->idxNum |= PLAN_OFFSET_ORDER;
  }
  info->idxStr = (char *)(uintptr_t)plan_text[info->idxNum];
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return path_cursor_open(out, sizeof(TensorsCursor));
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  TensorsCursor *cursor = (TensorsCursor *)base;
  sqlite3_value_free(cursor->wanted);
  offset_order_clear(&cursor->order);
  return path_cursor_close(base);
}

/* Opens members from `number` on until one has a row. */
static int find_rows(TensorsCursor *cursor, uint32_t number) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  for (;; number++) {
    bool more;
    cursor->entry = cursor->end = NULL;
    int code = path_scan_member(table, scan, number, &more);
    if (code != SQLITE_OK || !more) return code;
    cursor->entry = scan->member.header->tensors;
    cursor->end = cursor->entry + scan->member.header->tensor_count;
    if (cursor->entry != cursor->end) return SQLITE_OK;
  }
}

/* Opens members from `number` on until one has the tensor that is wanted. */
static int find_name(TensorsCursor *cursor, uint32_t number, sqlite3_value *wanted) {
  const char *name = (const char *)sqlite3_value_text(wanted);
  cursor->entry = cursor->end = NULL;
  if (name == NULL) {
    return sqlite3_value_type(wanted) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  }
  int code = path_scan_find((PathTable *)cursor->path.base.pVtab, &cursor->path.scan, number, name,
                            (uint64_t)sqlite3_value_bytes(wanted), &cursor->entry);
  if (cursor->entry != NULL) cursor->end = cursor->entry + 1;
  return code;
}

static int look_up(TensorsCursor *cursor, sqlite3_value *wanted) {
  int code = find_name(cursor, 0, wanted);
  cursor->looked_up = cursor->path.scan.found_the_only;
  if (code != SQLITE_OK || cursor->entry == NULL || cursor->looked_up) return code;
  cursor->wanted = sqlite3_value_dup(wanted); /* argv dies with xFilter */
  return cursor->wanted != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

/* Goes to the tensor that is next by offset. */
static int go_to_ordered(TensorsCursor *cursor) {
  OffsetOrder *order = &cursor->order;
  PathScan *scan = &cursor->path.scan;
  bool more;
  cursor->entry = cursor->end = NULL;
  if (order->at == order->count) return SQLITE_OK;
  const OrderedTensor *tensor = &order->tensors[order->at];
  int code = path_scan_member((PathTable *)cursor->path.base.pVtab, scan, tensor->member, &more);
  if (code != SQLITE_OK) return code;
  cursor->entry = &scan->member.header->tensors[tensor->row];
  cursor->end = cursor->entry + 1;
  return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text;
  TensorsCursor *cursor = (TensorsCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  PathScan *scan = &cursor->path.scan;
  sqlite3_value *wanted = (plan & PLAN_NAME) != 0 ? argv[argc - 1] : NULL;
  cursor->entry = cursor->end = NULL;
  sqlite3_value_free(cursor->wanted);
  cursor->wanted = NULL;
  cursor->looked_up = false;
  offset_order_clear(&cursor->order);
  int code = path_scan_open(table, scan, plan, argv);
  if (code != SQLITE_OK || scan->checkpoint == NULL) return code;
  code = path_scan_verify(table, scan);
  if (code != SQLITE_OK) return code;
  if ((plan & PLAN_OFFSET_ORDER) != 0 && checkpoint_member_count(scan->checkpoint) > 1) {
    code = offset_order_build(&cursor->order, table, scan);
    return code == SQLITE_OK ? go_to_ordered(cursor) : code;
  }
  if (wanted != NULL && path_table_can_look_up(wanted)) return look_up(cursor, wanted);
  return find_rows(cursor, 0);
}

static int next(sqlite3_vtab_cursor *base) {
  TensorsCursor *cursor = (TensorsCursor *)base;
  if (++cursor->entry != cursor->end) return SQLITE_OK;
  if (cursor->order.count > 0) {
    cursor->order.at++;
    return go_to_ordered(cursor);
  }
  if (cursor->looked_up) return SQLITE_OK;
  uint32_t number = cursor->path.scan.member_number + 1;
  return cursor->wanted != NULL ? find_name(cursor, number, cursor->wanted)
                                : find_rows(cursor, number);
}

static int at_end(sqlite3_vtab_cursor *base) {
  const TensorsCursor *cursor = (const TensorsCursor *)base;
  return cursor->entry == cursor->end;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  const TensorsCursor *cursor = (const TensorsCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  *out = path_scan_rowid(scan, (uint32_t)(cursor->entry - scan->member.header->tensors));
  return SQLITE_OK;
}

/* ---- Columns ---- */

static void result_data(sqlite3_context *context, const TensorsCursor *cursor) {
  const PathScan *scan = &cursor->path.scan;
  TensorName name = {.subject = scan->member.path != NULL ? scan->member.path : "BLOB",
                     .name = scan->member.header->text + cursor->entry->name.offset,
                     .name_length = cursor->entry->name.length};
  Source source = checkpoint_source(scan->checkpoint, &scan->member, cursor->entry);
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  tensor_result_source(context, table->store, &name, &source);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const TensorsCursor *cursor = (const TensorsCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  const Header *header = scan->member.header;
  const TensorEntry *entry = cursor->entry;
  const char *name = header->text + entry->name.offset;
  switch ((enum Column)number) {
    case COLUMN_NAME: sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT); break;
    case COLUMN_DTYPE:
      sqlite3_result_text(context, dtype_name(entry->dtype), -1, SQLITE_STATIC);
      break;
    case COLUMN_SHAPE:
      sqlite3_result_text(context, header->text + entry->shape.offset, -1, SQLITE_TRANSIENT);
      break;
    case COLUMN_NUMEL: result_uint64(context, tensor_entry_numel(entry)); break;
    case COLUMN_NBYTES: result_uint64(context, tensor_entry_nbytes(entry)); break;
    case COLUMN_OFFSET: result_uint64(context, header_data_offset(header) + entry->begin); break;
    case COLUMN_FILE: path_scan_result_file(scan, context); break;
    case COLUMN_PATH: path_scan_result_path((const PathTable *)base->pVtab, scan, context); break;
    case COLUMN_SURPLUS_ARGUMENT: break;
    case COLUMN_RANK: result_uint64(context, tensor_entry_rank(header, entry)); break;
    case COLUMN_LAYER: column_layer(context, name, entry->name.length); break;
    case COLUMN_PATTERN: column_pattern(context, name, entry->name.length); break;
    case COLUMN_REF: column_ref(context, &scan->member, name, entry->name.length); break;
    case COLUMN_DATA: result_data(context, cursor); break;
  }
  return SQLITE_OK;
}

#define TENSORS_MODULE(create, connect, destroy)                                                 \
  {                                                                                              \
    .xCreate = create, .xConnect = connect, .xBestIndex = best_index,                            \
    .xDisconnect = path_table_disconnect, .xDestroy = destroy, .xOpen = cursor_open,             \
    .xClose = cursor_close, .xFilter = filter, .xNext = next, .xEof = at_end, .xColumn = column, \
    .xRowid = rowid,                                                                             \
  }

const sqlite3_module safetensors_tensors_module = TENSORS_MODULE(NULL, connect_function, NULL);
const sqlite3_module safetensors_module =
    TENSORS_MODULE(create_table, connect_table, path_table_disconnect);
