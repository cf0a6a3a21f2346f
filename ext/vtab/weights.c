/*
** safetensors_weights(path): the weights of a checkpoint as its modules see them, one row per
** weight.
**
**     SELECT name, scheme, shape, status FROM safetensors_weights('model');
**     SELECT scheme, count(*), sum(numel) FROM safetensors_weights('model') WHERE role = 'weight'
**     GROUP BY scheme;
**
** A packed weight is one row, with its logical shape; `parts` names its tensors, and `ref` is an
** expression that unpacks it. It is NULL if the weight cannot be unpacked, and `status` says why. A
** plain tensor is a row of itself. model/weights.h says which files share their parts, and
** model/schemes.h what is recognised.
**
** Rows are in the order of the files and of their bytes. name = ? is a hash lookup (under the BINARY
** collation). What was worked out about a path is kept by the session.
*/
#include "model/weights.h"
#include "json/json_string.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "sql/weight_ref.h"
#include "vtab/modules.h"

static const char weights_table_schema[] =
    "CREATE TABLE x(name TEXT, scheme TEXT, dtype TEXT, shape TEXT, numel INTEGER, nbytes INTEGER, "
    "status TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", parts TEXT HIDDEN, bits INTEGER HIDDEN, role TEXT HIDDEN, copy_of TEXT HIDDEN, layer "
    "INTEGER HIDDEN, pattern TEXT HIDDEN, ref TEXT HIDDEN)";

enum WeightsTableColumn {
  WEIGHTS_TABLE_COLUMN_NAME,
  WEIGHTS_TABLE_COLUMN_SCHEME,
  WEIGHTS_TABLE_COLUMN_DTYPE,
  WEIGHTS_TABLE_COLUMN_SHAPE,
  WEIGHTS_TABLE_COLUMN_NUMEL,
  WEIGHTS_TABLE_COLUMN_NBYTES,
  WEIGHTS_TABLE_COLUMN_STATUS,
  WEIGHTS_TABLE_COLUMN_PATH,
  WEIGHTS_TABLE_COLUMN_SURPLUS_ARGUMENT,
  WEIGHTS_TABLE_COLUMN_PARTS,
  WEIGHTS_TABLE_COLUMN_BITS,
  WEIGHTS_TABLE_COLUMN_ROLE,
  WEIGHTS_TABLE_COLUMN_COPY_OF,
  WEIGHTS_TABLE_COLUMN_LAYER,
  WEIGHTS_TABLE_COLUMN_PATTERN,
  WEIGHTS_TABLE_COLUMN_REF
};

typedef struct WeightsTableCursor {
  PathCursor path;
  Weights *weights;
  const WeightList *list;
  uint64_t row, end; /* at the end if row == end */
  bool looked_up;    /* the rows are those of one name */
} WeightsTableCursor;

/* ---- Planning ---- */

static int weights_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  static const char *const plan_text[] = {"all weights", "all weights of path", "name lookup",
                                          "name lookup in path"};
  int next_argv;
  info->estimatedCost = 20000;
  info->estimatedRows = 1000;
  int code = path_table_plan((PathTable *)base, info, WEIGHTS_TABLE_COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  path_table_plan_name(info, WEIGHTS_TABLE_COLUMN_NAME, next_argv);
  if ((info->idxNum & PATH_PLAN_NAME) != 0 && info->estimatedCost < 1e9) {
    info->estimatedCost = 300;
    info->estimatedRows = 1;
  }
  info->idxStr = (char *)(uintptr_t)plan_text[info->idxNum];
  late_plan(info, WEIGHTS_TABLE_COLUMN_PATH, 1);
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void weights_table_clear(sqlite3_vtab_cursor *base) {
  weights_release(((WeightsTableCursor *)base)->weights);
  path_cursor_clear(base);
}

/* Opens the list, unless the cursor has that of the same argument already: then the statement has
** seen this state of the files. */
static int weights_table_open_list(WeightsTableCursor *cursor) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  PathScan *scan = &cursor->path.scan;
  PathArgument argument = {0};
  Error error = {0};
  if (cursor->weights != NULL && scan->verified) return SQLITE_OK;
  weights_release(cursor->weights);
  cursor->weights = NULL;
  int code = path_scan_verify(table, scan, NULL);
  if (code != SQLITE_OK) return code;
  if (path_table_read(table, scan->argument, &argument, &error)) {
    cursor->weights = weights_open(scan->checkpoint, argument.path, scan->skips, &error);
  }
  if (cursor->weights == NULL) return result_vtab_error(&table->base, &error);
  cursor->list = weights_list(cursor->weights);
  return SQLITE_OK;
}

static int weights_table_look_up(WeightsTableCursor *cursor, sqlite3_value *wanted) {
  const char *name = (const char *)sqlite3_value_text(wanted);
  uint32_t row;
  cursor->looked_up = true;
  if (name == NULL) {
    return sqlite3_value_type(wanted) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  }
  if (weight_list_find(cursor->list, name, (uint64_t)sqlite3_value_bytes(wanted), &row)) {
    cursor->row = row;
    cursor->end = UINT64_MAX;
  }
  return SQLITE_OK;
}

static int weights_table_filter(sqlite3_vtab_cursor *base, int plan, int argc,
                                sqlite3_value **argv) {
  WeightsTableCursor *cursor = (WeightsTableCursor *)base;
  PathScan *scan = &cursor->path.scan;
  sqlite3_value *wanted = (plan & PATH_PLAN_NAME) != 0 ? argv[argc - 1] : NULL;
  cursor->row = cursor->end = 0;
  cursor->looked_up = false;
  int code = path_scan_open((PathTable *)base->pVtab, scan, plan, argv);
  if (code != SQLITE_OK || scan->checkpoint == NULL) return code;
  code = weights_table_open_list(cursor);
  if (code != SQLITE_OK) return code;
  if (wanted != NULL && path_table_can_look_up(wanted))
    return weights_table_look_up(cursor, wanted);
  cursor->end = cursor->list->row_count;
  return SQLITE_OK;
}

static int weights_table_next(sqlite3_vtab_cursor *base) {
  WeightsTableCursor *cursor = (WeightsTableCursor *)base;
  if (!cursor->looked_up) {
    cursor->row++;
    return path_table_go_on((PathTable *)base->pVtab, cursor->row);
  }
  uint32_t next = cursor->list->rows[cursor->row].next_same;
  cursor->row = next > 0 ? next - 1 : cursor->end;
  return SQLITE_OK;
}

static bool weights_table_at_end(const sqlite3_vtab_cursor *base) {
  const WeightsTableCursor *cursor = (const WeightsTableCursor *)base;
  return cursor->row == cursor->end;
}

static int weights_table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  WeightsTableCursor *cursor = (WeightsTableCursor *)base;
  return path_scan_rowid((PathTable *)base->pVtab, &cursor->path.scan, 0,
                         (uint32_t)cursor->list->row_count, (uint32_t)cursor->row, out);
}

/* ---- Parts and refs ---- */

static const char *weights_table_text(const WeightsTableCursor *cursor, const Span *span) {
  return cursor->list->text + span->offset;
}

static void weights_table_result_parts(sqlite3_context *context, const WeightsTableCursor *cursor,
                                       const WeightRow *row) {
  if (row->part_count == 0) return;
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  for (uint32_t i = 0; i < row->part_count; i++) {
    const WeightPart *part = &cursor->list->parts[row->first_part + i];
    const Span *name = &cursor->list->tensors[part->tensor].name;
    weight_ref_append_key(out, i == 0, part->role);
    json_string_append(out, weights_table_text(cursor, name), name->length);
  }
  sqlite3_str_appendall(out, "}");
  result_string(context, out);
  result_is_json(context);
}

static void weights_table_result_expression(sqlite3_context *context,
                                            const WeightsTableCursor *cursor,
                                            const WeightRow *row) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  bool good = weight_ref_append_expression(out, cursor->path.scan.checkpoint, cursor->list, row);
  result_string(context, out);
  if (!good) sqlite3_result_error_nomem(context);
}

static void weights_table_result_ref(sqlite3_context *context, const WeightsTableCursor *cursor,
                                     const WeightRow *row) {
  const WeightTensor *tensor = &cursor->list->tensors[row->tensor];
  Member member = {.path = checkpoint_member_path(cursor->path.scan.checkpoint, tensor->member)};
  if (member.path == NULL) return; /* a BLOB has no path to refer to */
  if (!row->is_packed) {
    column_ref(context, &member, weights_table_text(cursor, &tensor->name), tensor->name.length);
  } else if (row->decodes) {
    weights_table_result_expression(context, cursor, row);
  }
}

/* ---- Columns ---- */

static void weights_table_result_span(sqlite3_context *context, const WeightsTableCursor *cursor,
                                      const Span *span, const char *otherwise) {
  if (span->length > 0) {
    column_name(context, weights_table_text(cursor, span), span->length);
  } else if (otherwise != NULL) {
    sqlite3_result_text(context, otherwise, -1, SQLITE_STATIC);
  }
}

static const char *weights_table_role(const WeightRow *row) {
  static const char *const names[] = {"weight", "buffer", "scale", "marker"};
  return names[row->role];
}

static void weights_table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const WeightsTableCursor *cursor = (const WeightsTableCursor *)base;
  const WeightRow *row = &cursor->list->rows[cursor->row];
  const char *name = weights_table_text(cursor, &row->name);
  switch ((enum WeightsTableColumn)number) {
    case WEIGHTS_TABLE_COLUMN_NAME: column_name(context, name, row->name.length); break;
    case WEIGHTS_TABLE_COLUMN_SCHEME:
      sqlite3_result_text(context, weight_scheme_name((WeightScheme)row->scheme), -1,
                          SQLITE_STATIC);
      break;
    case WEIGHTS_TABLE_COLUMN_DTYPE:
      sqlite3_result_text(context, dtype_name((Dtype)row->dtype), -1, SQLITE_STATIC);
      break;
    case WEIGHTS_TABLE_COLUMN_SHAPE:
      if (row->shape.length > 0) result_json_text(context, weights_table_text(cursor, &row->shape));
      break;
    case WEIGHTS_TABLE_COLUMN_NUMEL:
      if (row->has_numel) result_uint64(context, row->numel);
      break;
    case WEIGHTS_TABLE_COLUMN_NBYTES: result_uint64(context, row->nbytes); break;
    case WEIGHTS_TABLE_COLUMN_STATUS:
      weights_table_result_span(context, cursor, &row->status, "ok");
      break;
    case WEIGHTS_TABLE_COLUMN_PATH:
      path_scan_result_path((PathTable *)base->pVtab, &cursor->path.scan, context);
      break;
    case WEIGHTS_TABLE_COLUMN_SURPLUS_ARGUMENT: break;
    case WEIGHTS_TABLE_COLUMN_PARTS: weights_table_result_parts(context, cursor, row); break;
    case WEIGHTS_TABLE_COLUMN_BITS:
      if (row->bits > 0) sqlite3_result_int(context, row->bits);
      break;
    case WEIGHTS_TABLE_COLUMN_ROLE:
      sqlite3_result_text(context, weights_table_role(row), -1, SQLITE_STATIC);
      break;
    case WEIGHTS_TABLE_COLUMN_COPY_OF:
      weights_table_result_span(context, cursor, &row->copy_of, NULL);
      break;
    case WEIGHTS_TABLE_COLUMN_LAYER: column_layer(context, name, row->name.length); break;
    case WEIGHTS_TABLE_COLUMN_PATTERN: column_pattern(context, name, row->name.length); break;
    case WEIGHTS_TABLE_COLUMN_REF: weights_table_result_ref(context, cursor, row); break;
  }
}

/* ---- The table ---- */

static const TableRows weights_table_rows = {.cursor_size = sizeof(WeightsTableCursor),
                                             .late = true,
                                             .filter = weights_table_filter,
                                             .next = weights_table_next,
                                             .at_end = weights_table_at_end,
                                             .rowid = weights_table_rowid,
                                             .column = weights_table_column,
                                             .clear = weights_table_clear};

static int weights_table_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                                 sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_weights", weights_table_schema,
                            &weights_table_rows, out, message);
}

const sqlite3_module safetensors_weights_module = {
    .xConnect = weights_table_connect,
    .xBestIndex = weights_table_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
