/*
** The attack: raw bytes, dtypes, shapes and slices from columns of a stranger's database, handed to
** the functions and tables that take a tensor, to have them read outside the bytes.
**
** The input is a byte that chooses the dtype, one that chooses the dtype to cast to, then SHAPE,
** SLICE and the bytes, with separators between them. An empty SHAPE or SLICE is left out.
*/
#include "fuzz_sql.h"

static const char *const statements[] = {
    "SELECT tensor_data(?1, ?2, ?3, ?4), tensor_data(?1, ?2, ?3), tensor_data(?1, ?2)",
    "SELECT tensor_json(?1, ?2, ?3, ?4), tensor_json(?1, ?2, ?4)",
    "SELECT tensor_cast(?1, ?2, ?3, ?5), tensor_cast(?1, ?2, ?5)",
    "SELECT tensor_item(?1, ?2, ?3), tensor_item(?1, ?2, 0), tensor_item(?1, ?2, ?3, -1)",
    "SELECT tensor_item(?1, ?2, ?3, 0, 0), tensor_item(?1, ?2, ?3, ?4, ?5)",
    "SELECT * FROM tensor_elements(?1, ?2, ?3, ?4)",
    "SELECT value FROM tensor_elements(?1, ?2, ?3) WHERE idx > 1 ORDER BY idx DESC",
    "SELECT *, tensor_json(data, ?2) FROM tensor_rows(?1, ?2, ?3)",
    "SELECT * FROM tensor_rows(?1, ?2) WHERE i >= ?4 ORDER BY i DESC",
    "SELECT s.*, h.* FROM tensor_stats(?1, ?2, ?3) s, tensor_histogram(?1, ?2, ?3, 4) h",
    "SELECT * FROM tensor_histogram(?1, ?2, 9, -1.5, 1e30)",
    "SELECT tensor_hash(?1, ?2, ?3), tensor_sparkline(?1, ?2, 8)",
    "SELECT tensor_quantile(?1, ?2, ?3, 0.7), tensor_quantile(?1, ?2, 0.2, 'nearest')",
    "SELECT tensor_quantile(?1, ?2, ?3, ?4, ?5)",
    "SELECT * FROM tensor_compare(?1, ?2, ?3, ?1, ?2, ?3)",
    "SELECT i, score FROM tensor_nearest(?1, ?2, ?3, ?1, ?2, ?4, ?5)",
    "SELECT i, score FROM tensor_nearest(?1, ?2, ?3, x'0000803f', 3, 'l2')",
    "SELECT i, value, energy, left, right FROM tensor_svd(?1, ?2, ?3, 2)",
    "SELECT tensor_equal(?1, ?2, ?1, ?5), tensor_cosine(?1, ?2, ?1, ?2)",
    "SELECT tensor_max_abs_diff(?1, ?2, ?3, ?1, ?5)",
    "SELECT tensor_allclose(?1, ?2, ?3, ?1, ?2, ?3, 1e-3, 0), tensor_allclose(?1, ?2, ?1, ?5)",
    "SELECT name, data FROM safetensors_tensors(?1)",
};

static sqlite3 *db;

static sqlite3_stmt *prepare_bound(const char *sql, const uint8_t *data, size_t size) {
  sqlite3_stmt *statement = prepare(db, sql);
  Part rest = {(const char *)data + 2, size - 2};
  Part shape = take_part(&rest), slice = take_part(&rest);
  bind_blob(statement, 1, rest);
  bind_dtype(statement, 2, (Dtype)(data[0] % DTYPE_COUNT));
  if (shape.length > 0) bind_text(statement, 3, shape);
  if (slice.length > 0) bind_text(statement, 4, slice);
  bind_dtype(statement, 5, (Dtype)(data[1] % DTYPE_COUNT));
  return statement;
}

/* As many elements as a table has, as many bytes the function gives, and numbers the cast. */
static void require_one_size(const uint8_t *data, size_t size) {
  sqlite3_stmt *statement = prepare_bound(
      "SELECT (SELECT count(*) FROM tensor_elements(?1, ?2, ?3, ?4)), "
      "length(tensor_data(?1, ?2, ?3, ?4)), length(tensor_cast(?1, ?2, ?3, 'F64')), "
      "(SELECT count(*) FROM tensor_elements(?1, ?2, ?3))",
      data, size);
  Dtype dtype = (Dtype)(data[0] % DTYPE_COUNT);
  start_statement();
  if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 1) != SQLITE_NULL &&
      sqlite3_column_type(statement, 2) != SQLITE_NULL) {
    REQUIRE(sqlite3_column_int64(statement, 1) * 8 ==
            sqlite3_column_int64(statement, 0) * dtype_bits(dtype));
    REQUIRE(sqlite3_column_int64(statement, 2) == sqlite3_column_int64(statement, 3) * 8);
  }
  sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  if (db == NULL) db = fuzz_connect();
  for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    sqlite3_stmt *statement = prepare_bound(statements[i], data, size);
    run_to_end(db, statement);
    sqlite3_finalize(statement);
  }
  require_one_size(data, size);
  return 0;
}
