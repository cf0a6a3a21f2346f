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
    "SELECT name, data FROM safetensors_tensors(?1)",
};

static sqlite3 *db;

static void bind_text(sqlite3_stmt *statement, int number, Part part) {
  if (part.length == 0) return;
  sqlite3_bind_text64(statement, number, part.text, part.length, SQLITE_STATIC, SQLITE_UTF8);
}

static sqlite3_stmt *prepare(const char *sql, const uint8_t *data, size_t size) {
  sqlite3_stmt *statement;
  REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  const char *dtype = dtype_name((Dtype)(data[0] % DTYPE_COUNT));
  const char *other = dtype_name((Dtype)(data[1] % DTYPE_COUNT));
  Part rest = {(const char *)data + 2, size - 2};
  Part shape = take_part(&rest), slice = take_part(&rest);
  sqlite3_bind_blob64(statement, 1, rest.text, rest.length, SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, dtype, -1, SQLITE_STATIC);
  bind_text(statement, 3, shape);
  bind_text(statement, 4, slice);
  sqlite3_bind_text(statement, 5, other, -1, SQLITE_STATIC);
  return statement;
}

/* As many elements as a table has, as many bytes the function gives, and numbers the cast. */
static void require_one_size(const uint8_t *data, size_t size) {
  sqlite3_stmt *statement = prepare(
      "SELECT (SELECT count(*) FROM tensor_elements(?1, ?2, ?3, ?4)), "
      "length(tensor_data(?1, ?2, ?3, ?4)), length(tensor_cast(?1, ?2, ?3, 'F64')), "
      "(SELECT count(*) FROM tensor_elements(?1, ?2, ?3))",
      data, size);
  Dtype dtype = (Dtype)(data[0] % DTYPE_COUNT);
  calls = 0;
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
  if (db == NULL) db = connect();
  for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    sqlite3_stmt *statement = prepare(statements[i], data, size);
    run_to_end(db, statement);
    sqlite3_finalize(statement);
  }
  require_one_size(data, size);
  return 0;
}
