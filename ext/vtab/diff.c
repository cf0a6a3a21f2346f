/*
** safetensors_diff(a, b): compares two checkpoints, one row per tensor, as a FULL JOIN by name.
**
**     SELECT name, status FROM safetensors_diff('base', 'tune') WHERE status <> 'same';
**
** a and b are paths or BLOBs; NULL gives no rows. Rows are in the order of a, followed by what only
** b has. If several files of a directory or pattern have the same name, each is paired with each of
** the other side.
**
** `status` is one of
**
**     same       the same dtype, shape and bytes
**     changed    the same dtype and shape, but other bytes. The values may still be equal (n_diff is 0), if
**                only the sign of a zero or the payload of a NaN differs
**     retyped    the same shape, another dtype
**     reshaped   another shape
**     only_a, only_b
**
** The numbers are those of tensor_compare() for tensors of the same shape, else NULL. Only what a
** statement uses is computed: names, dtypes and shapes come from the headers, and rows of a status
** that is not wanted (status = ..., status IN (...)) are skipped if the headers show it. `status`
** compares bytes up to the first difference, and numbers take one pass over both tensors, which
** gives `status`, too.
**
** Hidden columns: ref_a and ref_b (NULL for a tensor of a BLOB); layer, pattern and numel (those of
** b for only_b); mean_abs_diff, n_nan, n_nan_one as in tensor_compare(); l2_a, l2_b and l2_diff,
** the norms of a, b and their difference, which can be combined over groups of tensors.
*/
#include <string.h>

#include "sql/argument.h"
#include "sql/comparison.h"
#include "sql/tensor_columns.h"
#include "vtab/modules.h"
#include "vtab/pairing.h"

static const char diff_schema[] =
    "CREATE TABLE x(name TEXT, status TEXT, dtype_a TEXT, dtype_b TEXT, shape_a TEXT, shape_b "
    "TEXT, "
    "n_diff INTEGER, max_abs_diff REAL, rmse REAL, rel_l2 REAL, cosine REAL, checkpoint_a HIDDEN, "
    "checkpoint_b HIDDEN, surplus_argument HIDDEN, ref_a TEXT HIDDEN, ref_b TEXT HIDDEN, "
    "layer INTEGER HIDDEN, pattern TEXT HIDDEN, numel INTEGER HIDDEN, mean_abs_diff REAL HIDDEN, "
    "n_nan INTEGER HIDDEN, n_nan_one INTEGER HIDDEN, l2_a REAL HIDDEN, l2_b REAL HIDDEN, "
    "l2_diff REAL HIDDEN)";

enum DiffColumn {
  DIFF_COLUMN_NAME,
  DIFF_COLUMN_STATUS,
  DIFF_COLUMN_DTYPE_A,
  DIFF_COLUMN_DTYPE_B,
  DIFF_COLUMN_SHAPE_A,
  DIFF_COLUMN_SHAPE_B,
  DIFF_COLUMN_N_DIFF,
  DIFF_COLUMN_MAX_ABS_DIFF,
  DIFF_COLUMN_RMSE,
  DIFF_COLUMN_REL_L2,
  DIFF_COLUMN_COSINE,
  DIFF_COLUMN_PATH_A,
  DIFF_COLUMN_PATH_B,
  DIFF_COLUMN_SURPLUS_ARGUMENT,
  DIFF_COLUMN_REF_A,
  DIFF_COLUMN_REF_B,
  DIFF_COLUMN_LAYER,
  DIFF_COLUMN_PATTERN,
  DIFF_COLUMN_NUMEL,
  DIFF_COLUMN_MEAN_ABS_DIFF,
  DIFF_COLUMN_N_NAN,
  DIFF_COLUMN_N_NAN_ONE,
  DIFF_COLUMN_L2_A,
  DIFF_COLUMN_L2_B,
  DIFF_COLUMN_L2_DIFF,
  DIFF_COLUMN_COUNT
};

/* Bits of idxNum, besides PATH_PLAN_PATH and PATH_PLAN_NAME. argv has the paths, the name, the
** status. */
enum { DIFF_PLAN_STATUS = 8, DIFF_PLAN_STATUS_LIST = 16, DIFF_PLAN_NUMBERS = 32 };

typedef enum DiffStatus {
  DIFF_STATUS_SAME,
  DIFF_STATUS_CHANGED,
  DIFF_STATUS_RETYPED,
  DIFF_STATUS_RESHAPED,
  DIFF_STATUS_ONLY_A,
  DIFF_STATUS_ONLY_B,
  DIFF_STATUS_COUNT
} DiffStatus;

static const char *const diff_status_words[DIFF_STATUS_COUNT] = {"same",     "changed", "retyped",
                                                                 "reshaped", "only_a",  "only_b"};

enum { DIFF_ALL_STATUSES = (1 << DIFF_STATUS_COUNT) - 1 };

typedef struct DiffCursor {
  PathCursor path; /* only its base is used */
  Pairing pairing;
  unsigned statuses;               /* a bit for each wanted status */
  bool with_numbers;               /* the statement uses numbers */
  bool bytes_known, numbers_known; /* of the current row */
  Comparison found;
} DiffCursor;

/* ---- Planning ---- */

/* Claims status = ... and status IN (...). SQLite checks them again. */
static void diff_plan_status(sqlite3_index_info *info, int next_argv) {
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != DIFF_COLUMN_STATUS || !constraint->usable ||
        constraint->op != SQLITE_INDEX_CONSTRAINT_EQ ||
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
      continue;
    }
    info->aConstraintUsage[i].argvIndex = next_argv;
    info->idxNum |= sqlite3_vtab_in(info, i, 1) ? DIFF_PLAN_STATUS_LIST : DIFF_PLAN_STATUS;
    return;
  }
}

static ComparisonNumber diff_number_of(int column) {
  switch (column) {
    case DIFF_COLUMN_N_DIFF: return COMPARISON_N_DIFF;
    case DIFF_COLUMN_MAX_ABS_DIFF: return COMPARISON_MAX_ABS_DIFF;
    case DIFF_COLUMN_RMSE: return COMPARISON_RMSE;
    case DIFF_COLUMN_REL_L2: return COMPARISON_REL_L2;
    case DIFF_COLUMN_COSINE: return COMPARISON_COSINE;
    case DIFF_COLUMN_MEAN_ABS_DIFF: return COMPARISON_MEAN_ABS_DIFF;
    case DIFF_COLUMN_N_NAN: return COMPARISON_N_NAN;
    case DIFF_COLUMN_N_NAN_ONE: return COMPARISON_N_NAN_ONE;
    case DIFF_COLUMN_L2_A: return COMPARISON_L2_A;
    case DIFF_COLUMN_L2_B: return COMPARISON_L2_B;
    case DIFF_COLUMN_L2_DIFF: return COMPARISON_L2_DIFF;
    default: return COMPARISON_NONE;
  }
}

static bool diff_uses_numbers(const sqlite3_index_info *info) {
  for (int column = 0; column < DIFF_COLUMN_COUNT; column++) {
    if ((info->colUsed >> column & 1) != 0 && diff_number_of(column) != COMPARISON_NONE)
      return true;
  }
  return false;
}

static int diff_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 100000;
  info->estimatedRows = 1000;
  int code = path_table_plan((PathTable *)base, info, DIFF_COLUMN_PATH_A, 2, &next_argv);
  if (code != SQLITE_OK || (info->idxNum & PATH_PLAN_PATH) == 0) return code;
  late_plan(info, DIFF_COLUMN_PATH_A, 2);
  path_table_plan_name(info, DIFF_COLUMN_NAME, next_argv);
  bool by_name = (info->idxNum & PATH_PLAN_NAME) != 0;
  if (by_name) {
    info->estimatedCost = 300;
    info->estimatedRows = 1;
  }
  info->idxStr = by_name ? "name lookup in two paths" : "all tensors of two paths";
  diff_plan_status(info, next_argv + by_name);
  if (diff_uses_numbers(info)) info->idxNum |= DIFF_PLAN_NUMBERS;
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void diff_clear(sqlite3_vtab_cursor *base) {
  pairing_close(&((DiffCursor *)base)->pairing);
  path_cursor_clear(base);
}

static bool diff_same_shape(const PairingSide *a, const PairingSide *b) {
  const Span *x = &a->entry->shape, *y = &b->entry->shape;
  return x->length == y->length && memcmp(a->scan.member.header->text + x->offset,
                                          b->scan.member.header->text + y->offset, x->length) == 0;
}

/* The status according to the headers: DIFF_STATUS_SAME may turn out to be DIFF_STATUS_CHANGED. */
static DiffStatus diff_status_by_headers(const Pairing *pairing) {
  const PairingSide *a = &pairing->a, *b = &pairing->b;
  if (b->entry == NULL) return DIFF_STATUS_ONLY_A;
  if (a->entry == NULL) return DIFF_STATUS_ONLY_B;
  if (!diff_same_shape(a, b)) return DIFF_STATUS_RESHAPED;
  return a->entry->dtype == b->entry->dtype ? DIFF_STATUS_SAME : DIFF_STATUS_RETYPED;
}

/* Advances to a row that may have a wanted status. */
static int diff_find_asked(DiffCursor *cursor, int code) {
  Pairing *pairing = &cursor->pairing;
  for (uint64_t row = 1; code == SQLITE_OK && !pairing_at_end(pairing); row++) {
    unsigned possible = 1u << diff_status_by_headers(pairing);
    if (possible == 1u << DIFF_STATUS_SAME) possible |= 1u << DIFF_STATUS_CHANGED;
    if ((possible & cursor->statuses) != 0) break;
    code = path_table_go_on(pairing->table, row);
    if (code == SQLITE_OK) code = pairing_next(pairing);
  }
  cursor->bytes_known = cursor->numbers_known = false;
  return code;
}

static unsigned diff_status_bit(sqlite3_value *value) {
  const char *word = (const char *)sqlite3_value_text(value);
  for (unsigned i = 0; word != NULL && i < DIFF_STATUS_COUNT; i++) {
    if (strcmp(word, diff_status_words[i]) == 0) return 1u << i;
  }
  return 0;
}

static int diff_ask_for(DiffCursor *cursor, int plan, sqlite3_value *value) {
  cursor->statuses = DIFF_ALL_STATUSES;
  if ((plan & DIFF_PLAN_STATUS) != 0) cursor->statuses = diff_status_bit(value);
  if ((plan & DIFF_PLAN_STATUS_LIST) == 0) return SQLITE_OK;
  cursor->statuses = 0;
  sqlite3_value *item;
  int code = sqlite3_vtab_in_first(value, &item);
  for (; code == SQLITE_OK && item != NULL; code = sqlite3_vtab_in_next(value, &item)) {
    cursor->statuses |= diff_status_bit(item);
  }
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int diff_go_to_first(DiffCursor *cursor, int plan, int argc, sqlite3_value **argv) {
  PathTable *table = (PathTable *)cursor->path.base.pVtab;
  if ((plan & PATH_PLAN_PATH) == 0) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, table->name,
               "expected two paths, found fewer; write %s('base.safetensors', "
               "'tune.safetensors')%s",
               table->name, argument_missing_advice(table->db));
    return result_vtab_error(&table->base, &error);
  }
  sqlite3_value *name = (plan & PATH_PLAN_NAME) != 0 ? argv[2] : NULL;
  if (name != NULL && !path_table_can_look_up(name)) name = NULL;
  cursor->with_numbers = (plan & DIFF_PLAN_NUMBERS) != 0;
  int code = diff_ask_for(cursor, plan, argv[argc - 1]);
  if (code != SQLITE_OK) return code;
  return diff_find_asked(cursor, pairing_open(&cursor->pairing, table, plan, argv, name));
}

static int diff_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  DiffCursor *cursor = (DiffCursor *)base;
  int code = diff_go_to_first(cursor, plan, argc, argv);
  if (code != SQLITE_OK) cursor->pairing.a.entry = cursor->pairing.b.entry = NULL;
  return code;
}

static int diff_next(sqlite3_vtab_cursor *base) {
  DiffCursor *cursor = (DiffCursor *)base;
  return diff_find_asked(cursor, pairing_next(&cursor->pairing));
}

static bool diff_at_end(const sqlite3_vtab_cursor *base) {
  const DiffCursor *cursor = (const DiffCursor *)base;
  return pairing_at_end(&cursor->pairing);
}

static int diff_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  return pairing_rowid(&((DiffCursor *)base)->pairing, out);
}

/* ---- Comparing ---- */

static bool diff_open_side(const PairingSide *side, View *view, ComparisonSide *out, Error *error) {
  const Member *member = &side->scan.member;
  const TensorEntry *entry = side->entry;
  const char *text = member->header->text;
  *out = (ComparisonSide){.dtype = entry->dtype,
                          .source = checkpoint_source(side->scan.checkpoint, member, entry),
                          .view = view,
                          .tensor = {.subject = member->path != NULL ? member->path : "BLOB",
                                     .name = text + entry->name.offset,
                                     .name_length = entry->name.length}};
  return view_open(view, text + entry->shape.offset, entry->shape.length, &out->tensor, error);
}

static bool diff_compare(DiffCursor *cursor, CompareGoal goal, Error *error) {
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  CompareTask task = {.goal = goal};
  View a_view = {0}, b_view = {0};
  ComparisonSide a, b;
  bool good = diff_open_side(&cursor->pairing.a, &a_view, &a, error) &&
              diff_open_side(&cursor->pairing.b, &b_view, &b, error) &&
              comparison_run(table->db, table->session, &a, &b, &task, error);
  view_clear(&a_view);
  view_clear(&b_view);
  cursor->found = task.found;
  cursor->bytes_known = good;
  cursor->numbers_known = good && goal == COMPARE_NUMBERS;
  return good;
}

/* ---- Columns ---- */

static void diff_result_status(sqlite3_context *context, DiffCursor *cursor) {
  Error error = {0};
  DiffStatus status = diff_status_by_headers(&cursor->pairing);
  if (status == DIFF_STATUS_SAME) {
    CompareGoal goal = cursor->with_numbers ? COMPARE_NUMBERS : COMPARE_BYTES;
    if (!cursor->bytes_known && !diff_compare(cursor, goal, &error)) {
      result_error(context, &error);
      return;
    }
    if (cursor->found.bytes_differ) status = DIFF_STATUS_CHANGED;
  }
  sqlite3_result_text(context, diff_status_words[status], -1, SQLITE_STATIC);
}

static void diff_result_number(sqlite3_context *context, DiffCursor *cursor,
                               ComparisonNumber number) {
  Error error = {0};
  DiffStatus status = diff_status_by_headers(&cursor->pairing);
  if (status != DIFF_STATUS_SAME && status != DIFF_STATUS_RETYPED) return;
  if (cursor->numbers_known || diff_compare(cursor, COMPARE_NUMBERS, &error)) {
    comparison_result(context, &cursor->found, number);
  } else {
    result_error(context, &error);
  }
}

static void diff_result_of_side(sqlite3_context *context, const PairingSide *side,
                                enum DiffColumn number) {
  const TensorEntry *entry = side->entry;
  if (entry == NULL) return;
  const char *text = side->scan.member.header->text, *name = text + entry->name.offset;
  switch (number) {
    case DIFF_COLUMN_NAME: sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT); break;
    case DIFF_COLUMN_DTYPE_A:
    case DIFF_COLUMN_DTYPE_B:
      sqlite3_result_text(context, dtype_name(entry->dtype), -1, SQLITE_STATIC);
      break;
    case DIFF_COLUMN_SHAPE_A:
    case DIFF_COLUMN_SHAPE_B: result_json_text(context, text + entry->shape.offset); break;
    case DIFF_COLUMN_REF_A:
    case DIFF_COLUMN_REF_B:
      column_ref(context, &side->scan.member, name, entry->name.length);
      break;
    case DIFF_COLUMN_LAYER: column_layer(context, name, entry->name.length); break;
    case DIFF_COLUMN_PATTERN: column_pattern(context, name, entry->name.length); break;
    case DIFF_COLUMN_NUMEL: result_uint64(context, tensor_entry_numel(entry)); break;
    default: break;
  }
}

static void diff_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  DiffCursor *cursor = (DiffCursor *)base;
  const PathTable *table = (const PathTable *)base->pVtab;
  const PairingSide *a = &cursor->pairing.a, *b = &cursor->pairing.b;
  switch ((enum DiffColumn)number) {
    case DIFF_COLUMN_STATUS: diff_result_status(context, cursor); break;
    case DIFF_COLUMN_NAME:
    case DIFF_COLUMN_LAYER:
    case DIFF_COLUMN_PATTERN:
    case DIFF_COLUMN_NUMEL:
      diff_result_of_side(context, a->entry != NULL ? a : b, (enum DiffColumn)number);
      break;
    case DIFF_COLUMN_DTYPE_A:
    case DIFF_COLUMN_SHAPE_A:
    case DIFF_COLUMN_REF_A: diff_result_of_side(context, a, (enum DiffColumn)number); break;
    case DIFF_COLUMN_DTYPE_B:
    case DIFF_COLUMN_SHAPE_B:
    case DIFF_COLUMN_REF_B: diff_result_of_side(context, b, (enum DiffColumn)number); break;
    case DIFF_COLUMN_PATH_A: path_scan_result_path(table, &a->scan, context); break;
    case DIFF_COLUMN_PATH_B: path_scan_result_path(table, &b->scan, context); break;
    case DIFF_COLUMN_SURPLUS_ARGUMENT: break;
    default: diff_result_number(context, cursor, diff_number_of(number)); break;
  }
}

/* ---- The table ---- */

static const TableRows diff_rows = {.cursor_size = sizeof(DiffCursor),
                                    .late = true,
                                    .filter = diff_filter,
                                    .next = diff_next,
                                    .at_end = diff_at_end,
                                    .rowid = diff_rowid,
                                    .column = diff_column,
                                    .clear = diff_clear};

static int diff_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_diff", diff_schema, &diff_rows, out, message);
}

const sqlite3_module safetensors_diff_module = {
    .xConnect = diff_connect,
    .xBestIndex = diff_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
