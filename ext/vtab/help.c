/*
** safetensors_help([name]): the reference, one row per table and function, and per kind of argument.
**
**     SELECT name, description FROM safetensors_help();
**     SELECT * FROM safetensors_help('tensor_item');
**
** With a name: its row, or else the rows whose name contains it. NULL gives no rows. `kind` is one
** of table, function, aggregate, argument; `example` is a statement that runs as it stands, given a
** model.safetensors. The module `safetensors`, of named tables, counts as a table.
*/
#include <string.h>

#include "base/memory.h"
#include "vtab/modules.h"

static const char schema[] =
    "CREATE TABLE x(name TEXT, kind TEXT, signature TEXT, description TEXT, example TEXT, "
    "wanted HIDDEN)";

enum Column {
  COLUMN_NAME,
  COLUMN_KIND,
  COLUMN_SIGNATURE,
  COLUMN_DESCRIPTION,
  COLUMN_EXAMPLE,
  COLUMN_WANTED,
  ROW_COLUMNS = COLUMN_WANTED
};

/* Descriptions fit beside the names into a terminal of 80 columns. */
/* NOLINTBEGIN(bugprone-suspicious-missing-comma): a text may take several lines. */
static const char *const rows[][ROW_COLUMNS] = {
    {"safetensors_tensors", "table",
     "safetensors_tensors(path) -> name, dtype, shape, numel, nbytes, offset, file; hidden: rank, "
     "layer, pattern, ref, data",
     "Tensors of a checkpoint, one row each",
     "SELECT name, dtype, shape FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_metadata", "table", "safetensors_metadata(path) -> key, value, file",
     "Metadata of a checkpoint, one row per key",
     "SELECT key, value FROM safetensors_metadata('model.safetensors');"},
    {"safetensors_files", "table",
     "safetensors_files(path) -> file, size, header_size, tensors, numel, nbytes, status, error; "
     "hidden: data_offset",
     "Files of a checkpoint, also missing and invalid ones",
     "SELECT file, status, error FROM safetensors_files('model.safetensors');"},
    {"safetensors_check", "table",
     "safetensors_check(path) -> severity, code, file, tensor, offset, message",
     "Everything that is wrong with a checkpoint",
     "SELECT count(*) AS findings FROM safetensors_check('model.safetensors');"},
    {"safetensors_diff", "table",
     "safetensors_diff(a, b) -> name, status, dtype_a, dtype_b, shape_a, shape_b, n_diff, "
     "max_abs_diff, rmse, rel_l2, cosine; hidden: ref_a, ref_b, layer, pattern, numel, "
     "mean_abs_diff, n_nan, n_nan_one, l2_a, l2_b, l2_diff",
     "Two checkpoints compared, one row per tensor",
     "SELECT name, status FROM safetensors_diff('base.safetensors', 'tune.safetensors');"},
    {"safetensors", "table",
     "CREATE VIRTUAL TABLE name USING safetensors(path) -> the columns of safetensors_tensors",
     "A checkpoint's tensors as a table with a name",
     "CREATE VIRTUAL TABLE temp.model USING safetensors('model.safetensors');"},
    {"safetensors_help", "table",
     "safetensors_help([name]) -> name, kind, signature, description, example", "This reference",
     "SELECT * FROM safetensors_help('tensor_item');"},
    {"tensor_elements", "table", "tensor_elements(T [, slice]) -> idx, coord, value",
     "Elements of a tensor, one row each",
     "SELECT coord, value FROM tensor_elements('model.safetensors#lm_head.weight', '0, 0:3');"},
    {"tensor_rows", "table", "tensor_rows(T) -> i, data, ref",
     "Rows of a tensor, along its first dimension",
     "SELECT i, tensor_json(ref, '0:3') FROM tensor_rows('model.safetensors#lm_head.weight') LIMIT "
     "3;"},
    {"tensor_stats", "table",
     "tensor_stats(T) -> n_nan, n_inf, n_zero, min, max, mean, std, abs_max, l2",
     "Statistics of a tensor, in one row",
     "SELECT * FROM tensor_stats('model.safetensors#lm_head.weight');"},
    {"tensor_histogram", "table", "tensor_histogram(T [, bins [, lo, hi]]) -> bin, lo, hi, count",
     "Counts of a tensor's values, one row per bin",
     "SELECT * FROM tensor_histogram('model.safetensors#lm_head.weight', 8);"},
    {"tensor_compare", "table",
     "tensor_compare(A, B) -> equal, n_diff, max_abs_diff, mean_abs_diff, rmse, rel_l2, cosine; "
     "hidden: n_nan, n_nan_one, l2_a, l2_b, l2_diff",
     "Two tensors compared, in one row",
     "SELECT * FROM tensor_compare('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_ref", "function", "tensor_ref(path, name [, slice]) -> TEXT",
     "A ref: text that names a tensor, or a part of one",
     "SELECT tensor_ref('model.safetensors', 'lm_head.weight', '0:3');"},
    {"tensor_dtype", "function", "tensor_dtype(ref) -> TEXT", "A tensor's dtype",
     "SELECT tensor_dtype('model.safetensors#lm_head.weight');"},
    {"tensor_shape", "function", "tensor_shape(ref) -> TEXT, a JSON array", "A tensor's shape",
     "SELECT tensor_shape('model.safetensors#lm_head.weight');"},
    {"tensor_numel", "function", "tensor_numel(ref) -> INTEGER", "How many elements a tensor has",
     "SELECT tensor_numel('model.safetensors#lm_head.weight');"},
    {"tensor_nbytes", "function", "tensor_nbytes(ref) -> INTEGER", "How many bytes a tensor takes",
     "SELECT tensor_nbytes('model.safetensors#lm_head.weight');"},
    {"tensor_data", "function", "tensor_data(T [, slice]) -> BLOB", "A tensor's bytes as stored",
     "SELECT hex(tensor_data('model.safetensors#lm_head.weight', '0, 0:3'));"},
    {"tensor_json", "function", "tensor_json(T [, slice]) -> TEXT, a JSON array",
     "A tensor's values, as nested arrays",
     "SELECT tensor_json('model.safetensors#lm_head.weight', '0:2, 0:3');"},
    {"tensor_item", "function", "tensor_item(T, i, j, ...) -> INTEGER or REAL",
     "One element; negative indices count from the end",
     "SELECT tensor_item('model.safetensors#lm_head.weight', 0, -1);"},
    {"tensor_cast", "function", "tensor_cast(T, dtype) -> BLOB",
     "A tensor's bytes in another dtype",
     "SELECT hex(tensor_cast('model.safetensors?slice=0,0:3#lm_head.weight', 'F32'));"},
    {"tensor_hash", "function", "tensor_hash(T) -> TEXT",
     "Fingerprint of a tensor's bytes (XXH3-128, hex)",
     "SELECT name, tensor_hash(ref) FROM safetensors_tensors('model.safetensors');"},
    {"tensor_sparkline", "function", "tensor_sparkline(T) -> TEXT",
     "A tensor's distribution, in 16 block characters",
     "SELECT name, tensor_sparkline(ref) FROM safetensors_tensors('model.safetensors');"},
    {"tensor_equal", "function", "tensor_equal(A, B) -> 0 or 1", "Whether all values are the same",
     "SELECT tensor_equal('base.safetensors#lm_head.weight', 'model.safetensors#lm_head.weight');"},
    {"tensor_allclose", "function", "tensor_allclose(A, B [, rtol [, atol]]) -> 0 or 1",
     "Whether all values are nearly the same",
     "SELECT tensor_allclose('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_cosine", "function", "tensor_cosine(A, B) -> REAL",
     "Cosine of the angle between two tensors",
     "SELECT tensor_cosine('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_max_abs_diff", "function", "tensor_max_abs_diff(A, B) -> REAL",
     "Largest difference between two tensors' values",
     "SELECT tensor_max_abs_diff('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"safetensors_write", "aggregate",
     "safetensors_write(path, name, dtype, shape, data [, metadata]) -> INTEGER",
     "Writes a file: one row in, one tensor out",
     "SELECT safetensors_write('copy.safetensors', name, dtype, shape, ref) FROM "
     "safetensors_tensors('model.safetensors');"},
    {"safetensors_write_sharded", "aggregate",
     "safetensors_write_sharded(index_path, max_shard_bytes, name, dtype, shape, data [, "
     "metadata]) -> INTEGER",
     "Writes a sharded model and its index",
     "SELECT safetensors_write_sharded('sharded.safetensors.index.json', 65536, name, dtype, "
     "shape, ref) FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_serialize", "aggregate",
     "safetensors_serialize(name, dtype, shape, data [, metadata]) -> BLOB",
     "A file's bytes, as a value",
     "SELECT length(safetensors_serialize('x', 'F32', '[2]', x'0000803f00000040'));"},
    {"safetensors_config", "function", "safetensors_config(name [, value]) -> TEXT or INTEGER",
     "A setting of this connection: io, progress",
     "SELECT safetensors_config('io'), safetensors_config('progress', 1);"},
    {"safetensors_pretty", "function", "safetensors_pretty(n [, unit]) -> TEXT",
     "A number as people write it: 13.0 M, 26.1 GB",
     "SELECT safetensors_pretty(13015864), safetensors_pretty(26114695168, 'B');"},
    {"safetensors_version", "function", "safetensors_version() -> TEXT",
     "Versions of the extension and what it uses", "SELECT safetensors_version();"},
    {"path", "argument",
     "TEXT: FILE.safetensors, FILE.safetensors.index.json, a folder, a glob, "
     "hf://ORG/NAME[@REVISION][/FILE]; BLOB: a file's bytes",
     "Names a checkpoint", "SELECT count(*) FROM safetensors_tensors('*.safetensors');"},
    {"T", "argument", "ref; or data, dtype [, shape]: a BLOB, a dtype's name, a JSON array",
     "A tensor, by name or by value", "SELECT tensor_json(x'0000803f00000040', 'F32', '[2]');"},
    {"ref", "argument", "PATH#NAME or PATH?slice=SLICE#NAME; in PATH, % is %25, ? is %3F, # is %23",
     "Text that names a tensor, or a part of one",
     "SELECT ref FROM safetensors_tensors('model.safetensors') LIMIT 1;"},
    {"slice", "argument", "'3', '-1', '0:10', ':, ::2', '..., 0', as in NumPy",
     "A part of a tensor, over its leading dimensions",
     "SELECT tensor_shape(tensor_ref('model.safetensors', 'lm_head.weight', '0:10, ::2'));"},
    {"A, B", "argument", "ref [, shape], ref [, shape]; or data_a, dtype_a, data_b, dtype_b",
     "Two tensors", "SELECT tensor_cosine(x'0000803f', 'F32', x'803f', 'BF16');"},
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

typedef struct HelpCursor {
  sqlite3_vtab_cursor base;
  char *wanted; /* NULL: all */
  bool exact;   /* a row has that very name */
  unsigned row;
} HelpCursor;

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)store, (void)argc, (void)argv, (void)message;
  int code = sqlite3_declare_vtab(db, schema);
  if (code != SQLITE_OK) return code;
  sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
  *out = memory_zeroed(1, sizeof **out);
  return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int disconnect(sqlite3_vtab *table) {
  memory_free(table);
  return SQLITE_OK;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table;
  info->estimatedCost = ROW_COUNT;
  info->estimatedRows = ROW_COUNT;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn != COLUMN_WANTED ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum = 1;
  }
  return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  *out = memory_zeroed(1, sizeof(HelpCursor));
  return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  memory_free(((HelpCursor *)base)->wanted);
  memory_free(base);
  return SQLITE_OK;
}

static void skip_unwanted(HelpCursor *cursor) {
  for (; cursor->row < ROW_COUNT && cursor->wanted != NULL; cursor->row++) {
    const char *name = rows[cursor->row][COLUMN_NAME];
    if (cursor->exact ? strcmp(name, cursor->wanted) == 0 : strstr(name, cursor->wanted) != NULL) {
      return;
    }
  }
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  HelpCursor *cursor = (HelpCursor *)base;
  memory_free(cursor->wanted);
  cursor->wanted = NULL;
  cursor->exact = false;
  cursor->row = 0;
  if (plan == 0) return SQLITE_OK;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    cursor->row = ROW_COUNT;
    return SQLITE_OK;
  }
  const char *wanted = (const char *)sqlite3_value_text(argv[0]);
  cursor->wanted = wanted == NULL ? NULL : memory_copy_text(wanted, strlen(wanted));
  if (cursor->wanted == NULL) return SQLITE_NOMEM;
  for (unsigned i = 0; i < ROW_COUNT; i++) {
    if (strcmp(rows[i][COLUMN_NAME], wanted) == 0) cursor->exact = true;
  }
  skip_unwanted(cursor);
  return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base) {
  HelpCursor *cursor = (HelpCursor *)base;
  cursor->row++;
  skip_unwanted(cursor);
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const HelpCursor *)base)->row >= ROW_COUNT;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((const HelpCursor *)base)->row;
  return SQLITE_OK;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const HelpCursor *cursor = (const HelpCursor *)base;
  if (number < ROW_COLUMNS) {
    sqlite3_result_text(context, rows[cursor->row][number], -1, SQLITE_STATIC);
  } else if (number == COLUMN_WANTED && cursor->wanted != NULL) {
    sqlite3_result_text(context, cursor->wanted, -1, SQLITE_TRANSIENT);
  }
  return SQLITE_OK;
}

const sqlite3_module safetensors_help_module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = column,
    .xRowid = rowid,
};
