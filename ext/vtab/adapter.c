/*
** safetensors_adapter(path [, base]): the modules that an adapter changes, one row per weight.
**
**     SELECT module, kind, rank, scale, status FROM safetensors_adapter('lora');
**     SELECT b.name, CASE WHEN a.weight IS NULL THEN b.ref ELSE tensor_add(b.ref, a.ref) END
**     FROM safetensors_weights('base') b LEFT JOIN safetensors_adapter('lora', 'base') a
**     ON a.weight = b.name;
**
** `ref` is an expression of the change, that of the merged weight less that of the base. It is NULL if
** the change cannot be computed, and `status` says why. With a base, `weight` is a name of
** safetensors_weights(base), NULL if the base does not have it; without one it is the name that the
** adapter's own naming gives. At most one row has a weight. model/adapter.h says what is recognised.
**
** Rows are in the order of the files and of their bytes. module = ? and weight = ? are hash lookups
** (under the BINARY collation). What was worked out about a path is kept by the session.
*/
#include <string.h>

#include "base/memory.h"
#include "json/json_string.h"
#include "model/adapter.h"
#include "sql/argument.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "sql/weight_ref.h"
#include "vtab/modules.h"

static const char adapter_table_schema[] =
    "CREATE TABLE x(module TEXT, kind TEXT, rank INTEGER, alpha REAL, scale REAL, shape TEXT, "
    "weight "
    "TEXT, status TEXT, checkpoint HIDDEN, base HIDDEN, surplus_argument HIDDEN, parts TEXT "
    "HIDDEN, "
    "ref TEXT HIDDEN, layer INTEGER HIDDEN)";

enum AdapterTableColumn {
  ADAPTER_TABLE_COLUMN_MODULE,
  ADAPTER_TABLE_COLUMN_KIND,
  ADAPTER_TABLE_COLUMN_RANK,
  ADAPTER_TABLE_COLUMN_ALPHA,
  ADAPTER_TABLE_COLUMN_SCALE,
  ADAPTER_TABLE_COLUMN_SHAPE,
  ADAPTER_TABLE_COLUMN_WEIGHT,
  ADAPTER_TABLE_COLUMN_STATUS,
  ADAPTER_TABLE_COLUMN_PATH,
  ADAPTER_TABLE_COLUMN_BASE,
  ADAPTER_TABLE_COLUMN_SURPLUS_ARGUMENT,
  ADAPTER_TABLE_COLUMN_PARTS,
  ADAPTER_TABLE_COLUMN_REF,
  ADAPTER_TABLE_COLUMN_LAYER
};

/* Bits of idxNum, besides PATH_PLAN_PATH. argv has the path, the base, and the module or the weight. */
enum { ADAPTER_PLAN_BASE = 8, ADAPTER_PLAN_MODULE = 16, ADAPTER_PLAN_WEIGHT = 32 };

typedef struct AdapterTableCursor {
  PathCursor path;
  PathScan base;    /* of the second argument; empty if there is none */
  Weights *weights; /* of the base */
  Adapter *adapter;
  const AdapterList *list;
  RowIdentity rows;
  uint64_t row, end; /* at the end if row == end */
  bool by_module;    /* the rows are those of one module */
} AdapterTableCursor;

/* ---- Planning ---- */

/* The usable EQ constraint on a column under the BINARY collation, or -1. */
static int adapter_table_find_lookup(sqlite3_index_info *info, int column) {
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn == column && constraint->usable &&
        constraint->op == SQLITE_INDEX_CONSTRAINT_EQ &&
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0) {
      return i;
    }
  }
  return -1;
}

static void adapter_table_plan_lookup(sqlite3_index_info *info, int next_argv) {
  int weight = adapter_table_find_lookup(info, ADAPTER_TABLE_COLUMN_WEIGHT);
  int found = weight >= 0 ? weight : adapter_table_find_lookup(info, ADAPTER_TABLE_COLUMN_MODULE);
  if (found < 0) return;
  info->aConstraintUsage[found].argvIndex = next_argv;
  info->idxNum |= weight >= 0 ? ADAPTER_PLAN_WEIGHT : ADAPTER_PLAN_MODULE;
  if (info->estimatedCost >= 1e9) return;
  info->estimatedCost = 300;
  info->estimatedRows = weight >= 0 ? 1 : 2;
}

static int adapter_table_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  bool unusable = false;
  int next_argv;
  info->estimatedCost = 20000;
  info->estimatedRows = 500;
  int base = argument_find_eq(info, ADAPTER_TABLE_COLUMN_BASE, &unusable);
  if (base < 0 && unusable) return SQLITE_CONSTRAINT;
  /* The guard stands behind the base, which need not be there. */
  if (argument_find_eq(info, ADAPTER_TABLE_COLUMN_SURPLUS_ARGUMENT, &unusable) >= 0 || unusable) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, ((PathTable *)table)->name,
               "expected one argument or two, found more");
    return result_vtab_error(table, &error);
  }
  int code = path_table_plan_paths(info, ADAPTER_TABLE_COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  if (base >= 0 && (info->idxNum & PATH_PLAN_PATH) != 0) {
    info->aConstraintUsage[base].argvIndex = next_argv++;
    info->aConstraintUsage[base].omit = 1;
    info->idxNum |= ADAPTER_PLAN_BASE;
  }
  adapter_table_plan_lookup(info, next_argv);
  late_plan(info, ADAPTER_TABLE_COLUMN_PATH, 2);
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void adapter_table_clear(sqlite3_vtab_cursor *base) {
  AdapterTableCursor *cursor = (AdapterTableCursor *)base;
  adapter_release(cursor->adapter);
  weights_release(cursor->weights);
  path_scan_close(&cursor->base);
  path_cursor_clear(base);
}

/* Opens the base, if there is one. *changed is set if it is another than before. */
static int adapter_table_open_base(AdapterTableCursor *cursor, int plan, sqlite3_value **argv,
                                   bool *changed) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->base;
  bool given = (plan & ADAPTER_PLAN_BASE) != 0 && sqlite3_value_type(argv[1]) != SQLITE_NULL;
  if (!given) {
    *changed = *changed || cursor->weights != NULL;
    weights_release(cursor->weights);
    cursor->weights = NULL;
    path_scan_close(scan);
    return SQLITE_OK;
  }
  int code = path_scan_open(table, scan, PATH_PLAN_PATH, argv + 1);
  if (code != SQLITE_OK || (cursor->weights != NULL && scan->verified)) return code;
  *changed = true;
  weights_release(cursor->weights);
  cursor->weights = NULL;
  code = path_scan_verify(table, scan, NULL);
  if (code != SQLITE_OK) return code;
  PathArgument argument = {0};
  Error error = {0};
  if (path_table_read(table, scan->argument, &argument, &error))
    cursor->weights = weights_open(scan->checkpoint, argument.path, scan->skips, &error);
  return cursor->weights != NULL ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

/* Opens the list, unless the cursor has that of the same arguments already: then the statement has seen
** this state of the files. */
static int adapter_table_open_list(AdapterTableCursor *cursor, bool changed) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  PathArgument argument = {0};
  Error error = {0};
  if (cursor->adapter != NULL && scan->verified && !changed) return SQLITE_OK;
  adapter_release(cursor->adapter);
  cursor->adapter = NULL;
  cursor->rows = (RowIdentity){0};
  int code = path_scan_verify(table, scan, NULL);
  if (code != SQLITE_OK) return code;
  bool base_has_path =
      cursor->base.argument != NULL && sqlite3_value_type(cursor->base.argument) == SQLITE_TEXT;
  if (path_table_read(table, scan->argument, &argument, &error)) {
    cursor->adapter = adapter_open(scan->checkpoint, argument.path, cursor->weights, base_has_path,
                                   scan->skips, &error);
  }
  if (cursor->adapter == NULL) return result_vtab_error(&table->base, &error);
  cursor->list = adapter_list(cursor->adapter);
  return SQLITE_OK;
}

static int adapter_table_look_up(AdapterTableCursor *cursor, int plan, sqlite3_value *wanted) {
  const char *name = (const char *)sqlite3_value_text(wanted);
  uint64_t length = (uint64_t)sqlite3_value_bytes(wanted);
  uint32_t row;
  if (name == NULL) return sqlite3_value_type(wanted) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  cursor->by_module = (plan & ADAPTER_PLAN_MODULE) != 0;
  bool found = cursor->by_module ? adapter_list_find_module(cursor->list, name, length, &row)
                                 : adapter_list_find_weight(cursor->list, name, length, &row);
  if (!found) return SQLITE_OK;
  cursor->row = row;
  cursor->end = cursor->by_module ? UINT64_MAX : (uint64_t)row + 1;
  return SQLITE_OK;
}

static int adapter_table_filter(sqlite3_vtab_cursor *base, int plan, int argc,
                                sqlite3_value **argv) {
  AdapterTableCursor *cursor = (AdapterTableCursor *)base;
  PathScan *scan = &cursor->path.scan;
  bool changed = false;
  sqlite3_value *wanted =
      (plan & (ADAPTER_PLAN_MODULE | ADAPTER_PLAN_WEIGHT)) != 0 ? argv[argc - 1] : NULL;
  cursor->row = cursor->end = 0;
  cursor->by_module = false;
  int code = path_scan_open((PathTable *)base->pVtab, scan, plan, argv);
  if (code != SQLITE_OK || scan->checkpoint == NULL) return code;
  code = adapter_table_open_base(cursor, plan, argv, &changed);
  if (code == SQLITE_OK) code = adapter_table_open_list(cursor, changed);
  if (code != SQLITE_OK) return code;
  if (wanted != NULL && path_table_can_look_up(wanted))
    return adapter_table_look_up(cursor, plan, wanted);
  cursor->end = cursor->list->row_count;
  return SQLITE_OK;
}

static int adapter_table_next(sqlite3_vtab_cursor *base) {
  AdapterTableCursor *cursor = (AdapterTableCursor *)base;
  if (!cursor->by_module) {
    cursor->row++;
    return path_table_go_on((PathTable *)base->pVtab, cursor->row);
  }
  uint32_t next = cursor->list->rows[cursor->row].next_same;
  cursor->row = next > 0 ? next - 1 : cursor->end;
  return SQLITE_OK;
}

static bool adapter_table_at_end(const sqlite3_vtab_cursor *base) {
  const AdapterTableCursor *cursor = (const AdapterTableCursor *)base;
  return cursor->row == cursor->end;
}

static int adapter_table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  AdapterTableCursor *cursor = (AdapterTableCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  sqlite3_value *values[2] = {cursor->path.scan.argument, cursor->base.argument};
  int count = values[1] != NULL ? 2 : 1;
  const RowArguments arguments = {base->pVtab, table->session, table->name, count, values};
  return row_identity_rowid(&cursor->rows, &arguments, 0, cursor->list->row_count, cursor->row,
                            out);
}

/* ---- Parts and refs ---- */

static const char *adapter_table_text(const AdapterTableCursor *cursor, const Span *span) {
  return cursor->list->text + span->offset;
}

static void adapter_table_append_role(sqlite3_str *out, const AdapterTableCursor *cursor,
                                      bool first, const AdapterPart *part) {
  sqlite3_str_appendall(out, first ? "{" : ",");
  if (part->role != NULL) {
    json_string_append(out, part->role, strlen(part->role));
  } else {
    json_string_append(out, adapter_table_text(cursor, &part->name), part->name.length);
  }
  sqlite3_str_appendall(out, ":");
}

static void adapter_table_result_parts(sqlite3_context *context, const AdapterTableCursor *cursor,
                                       const AdapterRow *row) {
  if (row->part_count == 0) return;
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  for (uint32_t i = 0; i < row->part_count; i++) {
    const AdapterPart *part = &cursor->list->parts[row->first_part + i];
    adapter_table_append_role(out, cursor, i == 0, part);
    json_string_append(out, adapter_table_text(cursor, &part->tensor.name),
                       part->tensor.name.length);
  }
  sqlite3_str_appendall(out, "}");
  result_string(context, out);
  result_is_json(context);
}

static bool adapter_table_append_place(sqlite3_str *out, const AdapterTableCursor *cursor,
                                       const AdapterPlace *place) {
  return weight_ref_append_tensor(out, cursor->path.scan.checkpoint, place->file,
                                  adapter_table_text(cursor, &place->name), place->name.length);
}

/* {"op":"delta","kind":...,"parts":{ROLE:REF,...,"base":...},"options":{...}} */
static void adapter_table_result_ref(sqlite3_context *context, const AdapterTableCursor *cursor,
                                     const AdapterRow *row) {
  if (row->delta == NULL) return;
  bool first = true, good = true;
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(out, "{\"op\":\"delta\",\"kind\":\"%s\",\"parts\":", row->delta);
  for (uint32_t i = 0; i < row->part_count; i++) {
    const AdapterPart *part = &cursor->list->parts[row->first_part + i];
    if (!part->is_read) continue;
    adapter_table_append_role(out, cursor, first, part);
    good = adapter_table_append_place(out, cursor, &part->tensor) && good;
    first = false;
  }
  if (row->base != ADAPTER_ROW_BASE_NONE) weight_ref_append_key(out, first, "base");
  if (row->base == ADAPTER_ROW_BASE_WEIGHT) {
    const WeightList *list = weights_list(cursor->weights);
    good =
        weight_ref_append(out, cursor->base.checkpoint, list, &list->rows[row->base_row]) && good;
  } else if (row->base == ADAPTER_ROW_BASE_LAYER) {
    good = adapter_table_append_place(out, cursor, &row->base_layer) && good;
  }
  sqlite3_str_appendall(out, "}");
  if (row->options.length > 0)
    sqlite3_str_appendf(out, ",\"options\":{%s}", adapter_table_text(cursor, &row->options));
  sqlite3_str_appendall(out, "}");
  result_string(context, out);
  if (!good) sqlite3_result_error_nomem(context);
}

/* ---- Columns ---- */

static void adapter_table_result_span(sqlite3_context *context, const AdapterTableCursor *cursor,
                                      const Span *span, const char *otherwise) {
  if (span->length > 0) {
    column_name(context, adapter_table_text(cursor, span), span->length);
  } else if (otherwise != NULL) {
    sqlite3_result_text(context, otherwise, -1, SQLITE_STATIC);
  }
}

static void adapter_table_result_argument(sqlite3_context *context,
                                          const AdapterTableCursor *cursor,
                                          enum AdapterTableColumn number) {
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  if (number == ADAPTER_TABLE_COLUMN_PATH) {
    path_scan_result_path(table, &cursor->path.scan, context);
  } else if (number == ADAPTER_TABLE_COLUMN_BASE) {
    path_scan_result_path(table, &cursor->base, context);
  }
}

static void adapter_table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const AdapterTableCursor *cursor = (const AdapterTableCursor *)base;
  const AdapterRow *row = &cursor->list->rows[cursor->row];
  switch ((enum AdapterTableColumn)number) {
    case ADAPTER_TABLE_COLUMN_MODULE:
      adapter_table_result_span(context, cursor, &row->module, NULL);
      break;
    case ADAPTER_TABLE_COLUMN_KIND:
      sqlite3_result_text(context, adapter_kind_text(row->kind), -1, SQLITE_STATIC);
      break;
    case ADAPTER_TABLE_COLUMN_RANK:
      if (row->rank > 0) result_uint64(context, row->rank);
      break;
    case ADAPTER_TABLE_COLUMN_ALPHA:
      if (row->has_alpha) sqlite3_result_double(context, row->alpha);
      break;
    case ADAPTER_TABLE_COLUMN_SCALE:
      if (row->has_scale) sqlite3_result_double(context, row->scale);
      break;
    case ADAPTER_TABLE_COLUMN_SHAPE:
      if (row->shape.length > 0) result_json_text(context, adapter_table_text(cursor, &row->shape));
      break;
    case ADAPTER_TABLE_COLUMN_WEIGHT:
      adapter_table_result_span(context, cursor, &row->weight, NULL);
      break;
    case ADAPTER_TABLE_COLUMN_STATUS:
      adapter_table_result_span(context, cursor, &row->status, "ok");
      break;
    case ADAPTER_TABLE_COLUMN_PATH:
    case ADAPTER_TABLE_COLUMN_BASE:
    case ADAPTER_TABLE_COLUMN_SURPLUS_ARGUMENT:
      adapter_table_result_argument(context, cursor, (enum AdapterTableColumn)number);
      break;
    case ADAPTER_TABLE_COLUMN_PARTS: adapter_table_result_parts(context, cursor, row); break;
    case ADAPTER_TABLE_COLUMN_REF: adapter_table_result_ref(context, cursor, row); break;
    case ADAPTER_TABLE_COLUMN_LAYER:
      column_layer(context, adapter_table_text(cursor, &row->module), row->module.length);
      break;
  }
}

/* ---- The table ---- */

static const TableRows adapter_table_rows = {.cursor_size = sizeof(AdapterTableCursor),
                                             .late = true,
                                             .filter = adapter_table_filter,
                                             .next = adapter_table_next,
                                             .at_end = adapter_table_at_end,
                                             .rowid = adapter_table_rowid,
                                             .column = adapter_table_column,
                                             .clear = adapter_table_clear};

static int adapter_table_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                                 sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_adapter", adapter_table_schema,
                            &adapter_table_rows, out, message);
}

const sqlite3_module safetensors_adapter_module = {
    .xConnect = adapter_table_connect,
    .xBestIndex = adapter_table_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
