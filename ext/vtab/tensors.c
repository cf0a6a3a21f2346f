/*
** safetensors_tensors(path): one row per tensor of a checkpoint. safetensors_tensors(blob, size) takes
** the beginning of a file with its whole header, and the size of that file. CREATE VIRTUAL TABLE gives
** the same columns a name:
**
**     SELECT name, dtype, shape FROM safetensors_tensors('model.safetensors');
**     CREATE VIRTUAL TABLE m USING safetensors('model.safetensors');
**
** A table made in the temp schema can be written, if the path is that of a file or an index: see
** write/edit_table.c.
**
** Rows are in the order of their bytes in the file. name = ? and name IN (...) are hash lookups
** (under the BINARY collation), and ORDER BY offset needs no sort. The rowid is unique over all
** paths and does not depend on the plan. `data` is the bytes of the tensor, not copied, and valid
** until the statement ends. It is computed only if a statement reads it, and is an error above the
** length limit of the connection.
*/
#include <string.h>

#include "base/memory.h"
#include "sql/argument.h"
#include "sql/kind_table.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "sql/tensor_result.h"
#include "vtab/modules.h"
#include "vtab/offset_order.h"
#include "write/edit_table.h"

static const char tensors_schema[] = TENSOR_COLUMNS_SCHEMA(TENSOR_COLUMNS_ARGUMENTS);
static const char tensors_named_schema[] = TENSOR_COLUMNS_SCHEMA(TENSOR_COLUMNS_NAMED_ARGUMENTS);

typedef struct TensorsCursor {
  PathCursor path;
  const TensorEntry *entry,
      *end;              /* the remaining rows of this member; entry == end after the last one */
  sqlite3_value *wanted; /* the name looked up in several members; else NULL */
  bool looked_up;        /* there is one row, and no more */
  OffsetOrder order;     /* the order of several members by offset; else empty */
} TensorsCursor;

static const char tensors_function_name[] = "safetensors_tensors";

/* ---- Planning ---- */

/* Of a table with a path of its own, any argument is too much. */
static int tensors_plan_arguments(PathTable *table, sqlite3_index_info *info, int *next_argv) {
  bool unusable = false;
  *next_argv = 1;
  if (table->fixed_path != NULL) {
    return path_table_plan(table, info, TENSOR_COLUMNS_NAMED_SURPLUS, 1, next_argv);
  }
  int size = argument_find_eq(info, TENSOR_COLUMNS_SIZE, &unusable);
  if (size < 0 && unusable) return SQLITE_CONSTRAINT;
  if (argument_find_eq(info, TENSOR_COLUMNS_SURPLUS_ARGUMENT, &unusable) >= 0 || unusable) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, table->name, "expected one argument or two, found more");
    return result_vtab_error(&table->base, &error);
  }
  int code = path_table_plan_paths(info, TENSOR_COLUMNS_PATH, 1, next_argv);
  if (code != SQLITE_OK || size < 0 || (info->idxNum & PATH_PLAN_PATH) == 0) return code;
  info->aConstraintUsage[size].argvIndex = (*next_argv)++;
  info->aConstraintUsage[size].omit = 1;
  info->idxNum |= PATH_PLAN_SIZE;
  return SQLITE_OK;
}

static int tensors_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  static const char *const plan_text[] = {
      "all tensors",         "all tensors of path",    "name lookup",
      "name lookup in path", "all tensors, by offset", "all tensors of path, by offset"};
  int next_argv;
  info->estimatedCost = 10000;
  info->estimatedRows = 1000;
  int code = tensors_plan_arguments((PathTable *)base, info, &next_argv);
  if (code != SQLITE_OK) return code;
  path_table_plan_name(info, TENSOR_COLUMNS_NAME, next_argv);
  if ((info->idxNum & PATH_PLAN_NAME) != 0 && info->estimatedCost < 1e9) {
    info->estimatedCost = 300; /* tensor_table.c relies on this */
    info->estimatedRows = 1;
  }
  if ((info->idxNum & PATH_PLAN_NAME) == 0 && info->nOrderBy == 1 &&
      info->aOrderBy[0].iColumn == TENSOR_COLUMNS_OFFSET && !info->aOrderBy[0].desc) {
    info->orderByConsumed = 1;
    info->idxNum |= PATH_PLAN_OFFSET_ORDER;
  }
  info->idxStr = (char *)(uintptr_t)plan_text[info->idxNum & ~PATH_PLAN_SIZE];
  late_plan(info, TENSOR_COLUMNS_PATH, 2);
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void tensors_clear(sqlite3_vtab_cursor *base) {
  TensorsCursor *cursor = (TensorsCursor *)base;
  sqlite3_value_free(cursor->wanted);
  offset_order_clear(&cursor->order);
  path_cursor_clear(base);
}

/* Opens members from `number` on until one has a row. */
static int tensors_find_rows(TensorsCursor *cursor, uint32_t number) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  for (;; number = scan->member_number + 1) {
    bool more;
    cursor->entry = cursor->end = NULL;
    int code = path_scan_member(table, scan, number, &more);
    if (code != SQLITE_OK || !more) return code;
    cursor->entry = scan->member.header->tensors;
    cursor->end = cursor->entry + scan->member.header->tensor_count;
    if (cursor->entry != cursor->end) return SQLITE_OK;
  }
}

/* Opens members from `number` on until one has the wanted tensor. */
static int tensors_find_name(TensorsCursor *cursor, uint32_t number, sqlite3_value *wanted) {
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

static int tensors_look_up(TensorsCursor *cursor, sqlite3_value *wanted) {
  int code = tensors_find_name(cursor, 0, wanted);
  cursor->looked_up = cursor->path.scan.found_the_only;
  if (code != SQLITE_OK || cursor->entry == NULL || cursor->looked_up) return code;
  cursor->wanted = sqlite3_value_dup(wanted); /* argv dies with xFilter */
  return cursor->wanted != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

/* Goes to the next tensor in the order of offsets. */
static int tensors_go_to_ordered(TensorsCursor *cursor) {
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

static int tensors_go_to_first(TensorsCursor *cursor, int plan, int argc, sqlite3_value **argv) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  sqlite3_value *wanted = (plan & PATH_PLAN_NAME) != 0 ? argv[argc - 1] : NULL;
  cursor->entry = cursor->end = NULL;
  sqlite3_value_free(cursor->wanted);
  cursor->wanted = NULL;
  cursor->looked_up = false;
  offset_order_clear(&cursor->order);
  int code = path_scan_open(table, scan, plan, argv);
  if (code != SQLITE_OK || scan->checkpoint == NULL) return code;
  if (wanted != NULL && !path_table_can_look_up(wanted)) wanted = NULL;
  code = path_scan_verify(table, scan, wanted);
  if (code != SQLITE_OK) return code;
  if ((plan & PATH_PLAN_OFFSET_ORDER) != 0 && checkpoint_member_count(scan->checkpoint) > 1) {
    code = offset_order_build(&cursor->order, table, scan);
    return code == SQLITE_OK ? tensors_go_to_ordered(cursor) : code;
  }
  return wanted != NULL ? tensors_look_up(cursor, wanted) : tensors_find_rows(cursor, 0);
}

static int tensors_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  return tensors_go_to_first((TensorsCursor *)base, plan, argc, argv);
}

static int tensors_next(sqlite3_vtab_cursor *base) {
  TensorsCursor *cursor = (TensorsCursor *)base;
  if (++cursor->entry != cursor->end) return SQLITE_OK;
  if (cursor->order.count > 0) {
    cursor->order.at++;
    return tensors_go_to_ordered(cursor);
  }
  if (cursor->looked_up) return SQLITE_OK;
  uint32_t number = cursor->path.scan.member_number + 1;
  return cursor->wanted != NULL ? tensors_find_name(cursor, number, cursor->wanted)
                                : tensors_find_rows(cursor, number);
}

static bool tensors_at_end(const sqlite3_vtab_cursor *base) {
  const TensorsCursor *cursor = (const TensorsCursor *)base;
  return cursor->entry == cursor->end;
}

static int tensors_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  TensorsCursor *cursor = (TensorsCursor *)base;
  PathScan *scan = &cursor->path.scan;
  const Header *header = scan->member.header;
  return path_scan_rowid((PathTable *)base->pVtab, scan, scan->member_number, header->tensor_count,
                         (uint32_t)(cursor->entry - header->tensors), out);
}

/* ---- Columns ---- */

/* Of a BLOB that is only the beginning of a file, the bytes may be missing. */
static bool tensors_has_data(sqlite3_context *context, const TensorsCursor *cursor) {
  const PathScan *scan = &cursor->path.scan;
  uint64_t end = header_data_offset(scan->member.header) + cursor->entry->end;
  Error error = {0};
  if (scan->member.path != NULL || end <= checkpoint_blob_size(scan->checkpoint)) return true;
  error_fill(&error, ERROR_ARGUMENT, "BLOB",
             "expected the bytes up to %llu of the file, found its first %llu",
             (unsigned long long)end, (unsigned long long)checkpoint_blob_size(scan->checkpoint));
  result_error(context, &error);
  return false;
}

static void tensors_result_data(sqlite3_context *context, const TensorsCursor *cursor) {
  const PathScan *scan = &cursor->path.scan;
  if (!tensors_has_data(context, cursor)) return;
  TensorName name = {.subject = scan->member.path != NULL ? scan->member.path : "BLOB",
                     .name = scan->member.header->text + cursor->entry->name.offset,
                     .name_length = cursor->entry->name.length};
  Source source = checkpoint_source(scan->checkpoint, &scan->member, cursor->entry);
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  tensor_result_source(context, table->session, &name, &source);
}

/* The argument columns. */
static void tensors_result_hidden_argument(sqlite3_context *context, const TensorsCursor *cursor,
                                           enum TensorColumns number) {
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  bool named = table->fixed_path != NULL;
  if (number == (named ? TENSOR_COLUMNS_NAMED_PATH : TENSOR_COLUMNS_PATH)) {
    path_scan_result_path(table, &cursor->path.scan, context);
  } else if (number == TENSOR_COLUMNS_SIZE && cursor->path.scan.size != NULL) {
    result_argument(context, cursor->path.scan.size);
  }
}

static void tensors_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const TensorsCursor *cursor = (const TensorsCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  const Header *header = scan->member.header;
  const TensorEntry *entry = cursor->entry;
  const char *name = header->text + entry->name.offset;
  switch ((enum TensorColumns)number) {
    case TENSOR_COLUMNS_NAME: sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT); break;
    case TENSOR_COLUMNS_DTYPE:
      sqlite3_result_text(context, dtype_name(entry->dtype), -1, SQLITE_STATIC);
      break;
    case TENSOR_COLUMNS_SHAPE: result_json_text(context, header->text + entry->shape.offset); break;
    case TENSOR_COLUMNS_NUMEL: result_uint64(context, tensor_entry_numel(entry)); break;
    case TENSOR_COLUMNS_NBYTES: result_uint64(context, tensor_entry_nbytes(entry)); break;
    case TENSOR_COLUMNS_OFFSET:
      result_uint64(context, header_data_offset(header) + entry->begin);
      break;
    case TENSOR_COLUMNS_FILE: path_scan_result_file(scan, context); break;
    case TENSOR_COLUMNS_PATH:
    case TENSOR_COLUMNS_SIZE:
    case TENSOR_COLUMNS_SURPLUS_ARGUMENT:
      tensors_result_hidden_argument(context, cursor, (enum TensorColumns)number);
      break;
    case TENSOR_COLUMNS_RANK: result_uint64(context, tensor_entry_rank(header, entry)); break;
    case TENSOR_COLUMNS_LAYER: column_layer(context, name, entry->name.length); break;
    case TENSOR_COLUMNS_PATTERN: column_pattern(context, name, entry->name.length); break;
    case TENSOR_COLUMNS_REF: column_ref(context, &scan->member, name, entry->name.length); break;
    case TENSOR_COLUMNS_DATA: tensors_result_data(context, cursor); break;
    case TENSOR_COLUMNS_N: result_uint64(context, (uint64_t)(entry - header->tensors)); break;
  }
}

static const TableRows tensors_rows = {.cursor_size = sizeof(TensorsCursor),
                                       .late = true,
                                       .filter = tensors_filter,
                                       .next = tensors_next,
                                       .at_end = tensors_at_end,
                                       .rowid = tensors_rowid,
                                       .column = tensors_column,
                                       .clear = tensors_clear};

static int tensors_connect_function(sqlite3 *db, void *session, int argc, const char *const *argv,
                                    sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, tensors_function_name, tensors_schema, &tensors_rows, out,
                            message);
}

#define TENSORS_METHODS                                                   \
  .xBestIndex = tensors_best_index, .xDisconnect = path_table_disconnect, \
  .xDestroy = path_table_disconnect, TABLE_METHODS

const sqlite3_module safetensors_tensors_module = {.xConnect = tensors_connect_function,
                                                   TENSORS_METHODS};

/* ---- CREATE VIRTUAL TABLE name USING safetensors('path') ---- */

/* The error of writing to a table that is read-only. */
static int tensors_refuse_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                                 sqlite3_int64 *rowid) {
  (void)argc, (void)argv, (void)rowid;
  const PathTable *table = (const PathTable *)base;
  Error error = {0};
  if (!table->in_temp) {
    error_fill(
        &error, ERROR_READ_ONLY, table->fixed_path,
        "expected a table of the temp schema for writing, found one of another; CREATE VIRTUAL "
        "TABLE temp.m USING safetensors('model.safetensors')");
  } else {
    error_fill(
        &error, ERROR_READ_ONLY, table->fixed_path,
        "expected a table over one file or index of this machine for writing, *.safetensors or "
        "*.safetensors.index.json, found another path");
  }
  return result_vtab_error(base, &error);
}

static const sqlite3_module tensors_read_only = {.xUpdate = tensors_refuse_update, TENSORS_METHODS};

/* The path in the module's one argument, without SQL quotes. NULL on error. */
static char *tensors_take_path(int argc, const char *const *argv, Error *error) {
  char *path = argc == ARGUMENT_FIRST_OF_MODULE + 1
                   ? argument_unquote(argv[ARGUMENT_FIRST_OF_MODULE])
                   : NULL;
  if (argc != ARGUMENT_FIRST_OF_MODULE + 1) {
    error_fill(error, ERROR_ARGUMENT, argv[2],
               "expected one argument, the path: CREATE VIRTUAL TABLE %s USING "
               "safetensors('model.safetensors')",
               argv[2]);
  } else if (path == NULL) {
    error_memory(error);
  }
  return path;
}

/* Takes over `path`. */
static int tensors_connect_read_only(sqlite3 *db, void *session, const char *schema, char *path,
                                     sqlite3_vtab **out, char **message) {
  int code = path_table_connect(db, session, tensors_function_name, tensors_named_schema,
                                &tensors_rows, out, message);
  if (code != SQLITE_OK) {
    memory_free(path);
    return code;
  }
  PathTable *table = (PathTable *)*out;
  table->kind = &tensors_read_only;
  table->in_temp = sqlite3_stricmp(schema, "temp") == 0;
  table->fixed_path = path;
  return SQLITE_OK;
}

static int tensors_connect_table(sqlite3 *db, void *session, int argc, const char *const *argv,
                                 sqlite3_vtab **out, char **message) {
  Error error = {0};
  char *path = tensors_take_path(argc, argv, &error);
  if (path == NULL) {
    int code = result_code(error.code);
    *message = error_take(&error);
    return code;
  }
  if (sqlite3_stricmp(argv[1], "temp") != 0 || !edit_table_can(path))
    return tensors_connect_read_only(db, session, argv[1], path, out, message);
  int code = edit_table_connect(db, session, path, tensors_named_schema, out, message);
  memory_free(path);
  return code;
}

static int tensors_check_readable(PathTable *table) {
  PathScan scan = {0};
  bool more = true;
  int code = path_scan_open(table, &scan, 0, NULL);
  scan.skips = false;
  if (code == SQLITE_OK) code = path_scan_verify(table, &scan, NULL);
  for (uint32_t i = 0; code == SQLITE_OK && more; i++) {
    code = path_scan_member(table, &scan, i, &more);
  }
  path_scan_close(&scan);
  return code;
}

/* Creating a table checks that the path can be read. Connecting does not, because a table whose
** file is gone must still be one that can be dropped. */
static int tensors_create_table(sqlite3 *db, void *session, int argc, const char *const *argv,
                                sqlite3_vtab **out, char **message) {
  int code = tensors_connect_table(db, session, argc, argv, out, message);
  if (code != SQLITE_OK) return code;
  const KindTable *table = (const KindTable *)*out;
  code = table->kind == &tensors_read_only ? tensors_check_readable((PathTable *)*out)
                                           : edit_table_check(*out);
  if (code == SQLITE_OK) return SQLITE_OK;
  *message = (*out)->zErrMsg;
  if (*message == NULL && code != SQLITE_NOMEM)
    *message = sqlite3_mprintf("%s", sqlite3_errstr(code));
  kind_table_disconnect(*out);
  *out = NULL;
  return code;
}

const sqlite3_module safetensors_module = {
    .xCreate = tensors_create_table, .xConnect = tensors_connect_table, KIND_TABLE_METHODS};
