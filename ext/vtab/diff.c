/*
** safetensors_diff(a, b): two checkpoints compared, one row per tensor: a FULL JOIN by name.
**
**     SELECT name, status FROM safetensors_diff('base', 'tune') WHERE status <> 'same';
**
** a and b are paths, or BLOBs; NULL gives no rows. Rows come in the order of a, then what only b has.
** A name that several files of a folder or pattern have pairs with each of the other side's.
**
** `status` is one of
**
**     same       the same dtype, shape and bytes
**     changed    the same dtype and shape, other bytes; perhaps equal values, if all that differs is
**                the sign of a zero or the payload of a NaN: then n_diff is 0
**     retyped    the same shape, another dtype
**     reshaped   another shape
**     only_a, only_b
**
** The numbers are those of tensor_compare(), of tensors with the same shape; else NULL. Only what a
** statement uses is worked for: names, dtypes and shapes come from the headers, and rows of a status
** that is not asked for (status = ..., status IN (...)) are passed over by them where they tell;
** `status` compares bytes up to the first difference; numbers take one pass over both tensors, of
** which `status` is part.
**
** Hidden: ref_a and ref_b (NULL for a BLOB's tensors); layer, pattern and numel (b's, of only_b);
** mean_abs_diff, n_nan, n_nan_one as in tensor_compare(); l2_a, l2_b and l2_diff, the norms of a, b
** and their difference, by which groups of tensors can be summed up.
*/
#include <string.h>

#include "func/comparison.h"
#include "vtab/modules.h"
#include "vtab/pairing.h"
#include "vtab/tensor_columns.h"

static const char schema[] =
    "CREATE TABLE x(name TEXT, status TEXT, dtype_a TEXT, dtype_b TEXT, shape_a TEXT, shape_b "
    "TEXT, "
    "n_diff INTEGER, max_abs_diff REAL, rmse REAL, rel_l2 REAL, cosine REAL, path_a HIDDEN, "
    "path_b HIDDEN, surplus_argument HIDDEN, ref_a TEXT HIDDEN, ref_b TEXT HIDDEN, "
    "layer INTEGER HIDDEN, pattern TEXT HIDDEN, numel INTEGER HIDDEN, mean_abs_diff REAL HIDDEN, "
    "n_nan INTEGER HIDDEN, n_nan_one INTEGER HIDDEN, l2_a REAL HIDDEN, l2_b REAL HIDDEN, "
    "l2_diff REAL HIDDEN)";

enum Column {
  COLUMN_NAME,
  COLUMN_STATUS,
  COLUMN_DTYPE_A,
  COLUMN_DTYPE_B,
  COLUMN_SHAPE_A,
  COLUMN_SHAPE_B,
  COLUMN_N_DIFF,
  COLUMN_MAX_ABS_DIFF,
  COLUMN_RMSE,
  COLUMN_REL_L2,
  COLUMN_COSINE,
  COLUMN_PATH_A,
  COLUMN_PATH_B,
  COLUMN_SURPLUS_ARGUMENT,
  COLUMN_REF_A,
  COLUMN_REF_B,
  COLUMN_LAYER,
  COLUMN_PATTERN,
  COLUMN_NUMEL,
  COLUMN_MEAN_ABS_DIFF,
  COLUMN_N_NAN,
  COLUMN_N_NAN_ONE,
  COLUMN_L2_A,
  COLUMN_L2_B,
  COLUMN_L2_DIFF,
  COLUMN_COUNT
};

/* Bits of idxNum, besides PLAN_PATH and PLAN_NAME. argv has the paths, the name, the status. */
enum { PLAN_STATUS = 8, PLAN_STATUS_LIST = 16, PLAN_NUMBERS = 32 };

typedef enum Status {
  STATUS_SAME,
  STATUS_CHANGED,
  STATUS_RETYPED,
  STATUS_RESHAPED,
  STATUS_ONLY_A,
  STATUS_ONLY_B,
  STATUS_COUNT
} Status;

static const char *const status_words[STATUS_COUNT] = {"same",     "changed", "retyped",
                                                       "reshaped", "only_a",  "only_b"};

enum { ALL_STATUSES = (1 << STATUS_COUNT) - 1 };

typedef struct DiffCursor {
  PathCursor path; /* unused but for its base */
  Pairing pairing;
  unsigned statuses;               /* a bit for each that is asked for */
  bool with_numbers;               /* the statement uses some */
  bool bytes_known, numbers_known; /* of the current row */
  Comparison found;
} DiffCursor;

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return path_table_connect(db, store, "safetensors_diff", schema, out);
}

/* ---- Planning ---- */

/* Claims status = ... and status IN (...), which SQLite checks again. */
static void plan_status(sqlite3_index_info *info, int next_argv) {
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != COLUMN_STATUS || !constraint->usable ||
        constraint->op != SQLITE_INDEX_CONSTRAINT_EQ ||
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
      continue;
    }
    info->aConstraintUsage[i].argvIndex = next_argv;
    info->idxNum |= sqlite3_vtab_in(info, i, 1) ? PLAN_STATUS_LIST : PLAN_STATUS;
    return;
  }
}

static ComparisonNumber number_of(int column) {
  switch (column) {
    case COLUMN_N_DIFF: return NUMBER_N_DIFF;
    case COLUMN_MAX_ABS_DIFF: return NUMBER_MAX_ABS_DIFF;
    case COLUMN_RMSE: return NUMBER_RMSE;
    case COLUMN_REL_L2: return NUMBER_REL_L2;
    case COLUMN_COSINE: return NUMBER_COSINE;
    case COLUMN_MEAN_ABS_DIFF: return NUMBER_MEAN_ABS_DIFF;
    case COLUMN_N_NAN: return NUMBER_N_NAN;
    case COLUMN_N_NAN_ONE: return NUMBER_N_NAN_ONE;
    case COLUMN_L2_A: return NUMBER_L2_A;
    case COLUMN_L2_B: return NUMBER_L2_B;
    case COLUMN_L2_DIFF: return NUMBER_L2_DIFF;
    default: return NUMBER_NONE;
  }
}

static bool uses_numbers(const sqlite3_index_info *info) {
  for (int column = 0; column < COLUMN_COUNT; column++) {
    if ((info->colUsed >> column & 1) != 0 && number_of(column) != NUMBER_NONE) return true;
  }
  return false;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 100000;
  info->estimatedRows = 1000;
  int code = path_table_plan((PathTable *)base, info, COLUMN_PATH_A, 2, &next_argv);
  if (code != SQLITE_OK || (info->idxNum & PLAN_PATH) == 0) return code;
  path_table_plan_name(info, COLUMN_NAME, next_argv);
  bool by_name = (info->idxNum & PLAN_NAME) != 0;
  if (by_name) {
    info->estimatedCost = 100;
    info->estimatedRows = 1;
  }
  info->idxStr = by_name ? "name lookup in two paths" : "all tensors of two paths";
  plan_status(info, next_argv + by_name);
  if (uses_numbers(info)) info->idxNum |= PLAN_NUMBERS;
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return path_cursor_open(out, sizeof(DiffCursor));
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  pairing_close(&((DiffCursor *)base)->pairing);
  return path_cursor_close(base);
}

static bool same_shape(const PairingSide *a, const PairingSide *b) {
  const Span *x = &a->entry->shape, *y = &b->entry->shape;
  return x->length == y->length && memcmp(a->scan.member.header->text + x->offset,
                                          b->scan.member.header->text + y->offset, x->length) == 0;
}

/* The status, as far as the headers tell: STATUS_SAME may be STATUS_CHANGED. */
static Status status_by_headers(const Pairing *pairing) {
  const PairingSide *a = &pairing->a, *b = &pairing->b;
  if (b->entry == NULL) return STATUS_ONLY_A;
  if (a->entry == NULL) return STATUS_ONLY_B;
  if (!same_shape(a, b)) return STATUS_RESHAPED;
  return a->entry->dtype == b->entry->dtype ? STATUS_SAME : STATUS_RETYPED;
}

/* Goes on until a row may have a status that is asked for. */
static int find_asked(DiffCursor *cursor, int code) {
  Pairing *pairing = &cursor->pairing;
  while (code == SQLITE_OK && !pairing_at_end(pairing)) {
    unsigned possible = 1u << status_by_headers(pairing);
    if (possible == 1u << STATUS_SAME) possible |= 1u << STATUS_CHANGED;
    if ((possible & cursor->statuses) != 0) break;
    code = pairing_next(pairing);
  }
  cursor->bytes_known = cursor->numbers_known = false;
  return code;
}

static unsigned status_bit(sqlite3_value *value) {
  const char *word = (const char *)sqlite3_value_text(value);
  for (unsigned i = 0; word != NULL && i < STATUS_COUNT; i++) {
    if (strcmp(word, status_words[i]) == 0) return 1u << i;
  }
  return 0;
}

static int ask_for(DiffCursor *cursor, int plan, sqlite3_value *value) {
  cursor->statuses = ALL_STATUSES;
  if ((plan & PLAN_STATUS) != 0) cursor->statuses = status_bit(value);
  if ((plan & PLAN_STATUS_LIST) == 0) return SQLITE_OK;
  cursor->statuses = 0;
  sqlite3_value *item;
  int code = sqlite3_vtab_in_first(value, &item);
  for (; code == SQLITE_OK && item != NULL; code = sqlite3_vtab_in_next(value, &item)) {
    cursor->statuses |= status_bit(item);
  }
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text;
  DiffCursor *cursor = (DiffCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  if ((plan & PLAN_PATH) == 0) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, table->name,
               "expected two paths, found fewer; write %s('base.safetensors', 'tune.safetensors')",
               table->name);
    return result_vtab_error(base->pVtab, &error);
  }
  sqlite3_value *name = (plan & PLAN_NAME) != 0 ? argv[2] : NULL;
  if (name != NULL && !path_table_can_look_up(name)) name = NULL;
  cursor->with_numbers = (plan & PLAN_NUMBERS) != 0;
  int code = ask_for(cursor, plan, argv[argc - 1]);
  if (code != SQLITE_OK) return code;
  return find_asked(cursor, pairing_open(&cursor->pairing, table, plan, argv, name));
}

static int next(sqlite3_vtab_cursor *base) {
  DiffCursor *cursor = (DiffCursor *)base;
  return find_asked(cursor, pairing_next(&cursor->pairing));
}

static int at_end(sqlite3_vtab_cursor *base) {
  return pairing_at_end(&((const DiffCursor *)base)->pairing);
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = pairing_rowid(&((const DiffCursor *)base)->pairing);
  return SQLITE_OK;
}

/* ---- Comparing ---- */

static bool open_side(const PairingSide *side, View *view, ComparisonSide *out, Error *error) {
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

static bool compare(DiffCursor *cursor, CompareGoal goal, Error *error) {
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  CompareTask task = {.goal = goal};
  View a_view = {0}, b_view = {0};
  ComparisonSide a, b;
  bool good = open_side(&cursor->pairing.a, &a_view, &a, error) &&
              open_side(&cursor->pairing.b, &b_view, &b, error) &&
              comparison_run(table->db, table->store, &a, &b, &task, error);
  view_clear(&a_view);
  view_clear(&b_view);
  cursor->found = task.found;
  cursor->bytes_known = good;
  cursor->numbers_known = good && goal == COMPARE_NUMBERS;
  return good;
}

/* ---- Columns ---- */

static void result_status(sqlite3_context *context, DiffCursor *cursor) {
  Error error = {0};
  Status status = status_by_headers(&cursor->pairing);
  if (status == STATUS_SAME) {
    CompareGoal goal = cursor->with_numbers ? COMPARE_NUMBERS : COMPARE_BYTES;
    if (!cursor->bytes_known && !compare(cursor, goal, &error)) {
      result_error(context, &error);
      return;
    }
    if (cursor->found.bytes_differ) status = STATUS_CHANGED;
  }
  sqlite3_result_text(context, status_words[status], -1, SQLITE_STATIC);
}

static void result_number(sqlite3_context *context, DiffCursor *cursor, ComparisonNumber number) {
  Error error = {0};
  Status status = status_by_headers(&cursor->pairing);
  if (status != STATUS_SAME && status != STATUS_RETYPED) return;
  if (cursor->numbers_known || compare(cursor, COMPARE_NUMBERS, &error)) {
    comparison_result(context, &cursor->found, number);
  } else {
    result_error(context, &error);
  }
}

static void result_of_side(sqlite3_context *context, const PairingSide *side, enum Column number) {
  const TensorEntry *entry = side->entry;
  if (entry == NULL) return;
  const char *text = side->scan.member.header->text, *name = text + entry->name.offset;
  switch (number) {
    case COLUMN_NAME: sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT); break;
    case COLUMN_DTYPE_A:
    case COLUMN_DTYPE_B:
      sqlite3_result_text(context, dtype_name(entry->dtype), -1, SQLITE_STATIC);
      break;
    case COLUMN_SHAPE_A:
    case COLUMN_SHAPE_B:
      sqlite3_result_text(context, text + entry->shape.offset, -1, SQLITE_TRANSIENT);
      break;
    case COLUMN_REF_A:
    case COLUMN_REF_B: column_ref(context, &side->scan.member, name, entry->name.length); break;
    case COLUMN_LAYER: column_layer(context, name, entry->name.length); break;
    case COLUMN_PATTERN: column_pattern(context, name, entry->name.length); break;
    case COLUMN_NUMEL: result_uint64(context, tensor_entry_numel(entry)); break;
    default: break;
  }
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  DiffCursor *cursor = (DiffCursor *)base;
  const PathTable *table = (const PathTable *)base->pVtab;
  const PairingSide *a = &cursor->pairing.a, *b = &cursor->pairing.b;
  switch ((enum Column)number) {
    case COLUMN_STATUS: result_status(context, cursor); break;
    case COLUMN_NAME:
    case COLUMN_LAYER:
    case COLUMN_PATTERN:
    case COLUMN_NUMEL:
      result_of_side(context, a->entry != NULL ? a : b, (enum Column)number);
      break;
    case COLUMN_DTYPE_A:
    case COLUMN_SHAPE_A:
    case COLUMN_REF_A: result_of_side(context, a, (enum Column)number); break;
    case COLUMN_DTYPE_B:
    case COLUMN_SHAPE_B:
    case COLUMN_REF_B: result_of_side(context, b, (enum Column)number); break;
    case COLUMN_PATH_A: path_scan_result_path(table, &a->scan, context); break;
    case COLUMN_PATH_B: path_scan_result_path(table, &b->scan, context); break;
    case COLUMN_SURPLUS_ARGUMENT: break;
    default: result_number(context, cursor, number_of(number)); break;
  }
  return SQLITE_OK;
}

const sqlite3_module safetensors_diff_module = {
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
