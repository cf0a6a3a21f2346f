/*
** The attack: names, shapes and metadata from a stranger's table, of which a file is to be made that
** is not what the rows say, or that other readers misread.
**
** The input is a byte that chooses the dtype, one that chooses another tensor's, then NAME, SHAPE,
** METADATA and the bytes, with separators between them. The other tensor's name is the SHAPE.
*/
#include "fuzz_sql.h"

static sqlite3 *db;

/* What was written is what is read: the tensor of that name, with this dtype and these bytes. */
static void require_tensor(Part file, Part name, Dtype dtype, Part bytes) {
  sqlite3_stmt *statement =
      prepare(db, "SELECT dtype, data FROM safetensors_tensors(?1) WHERE name = ?2");
  bind_blob(statement, 1, file);
  bind_text(statement, 2, name);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  REQUIRE(strcmp((const char *)sqlite3_column_text(statement, 0), dtype_name(dtype)) == 0);
  const void *read = sqlite3_column_blob(statement, 1);
  REQUIRE((size_t)sqlite3_column_bytes(statement, 1) == bytes.length);
  REQUIRE(bytes.length == 0 || memcmp(read, bytes.text, bytes.length) == 0);
  sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  if (db == NULL) db = fuzz_connect();
  start_statement();
  Dtype dtype = (Dtype)(data[0] % DTYPE_COUNT), other = (Dtype)(data[1] % DTYPE_COUNT);
  Part rest = {(const char *)data + 2, size - 2};
  Part name = take_part(&rest), shape = take_part(&rest), metadata = take_part(&rest);
  sqlite3_stmt *statement = prepare(
      db,
      "WITH rows(name, dtype, shape, data) AS (VALUES (?1, ?2, ?3, ?4), (?3, ?5, '[0,7]', x'')) "
      "SELECT safetensors_serialize(name, dtype, shape, data, ?6) FROM rows");
  bind_text(statement, 1, name);
  bind_dtype(statement, 2, dtype);
  bind_text(statement, 3, shape);
  bind_blob(statement, 4, rest);
  bind_dtype(statement, 5, other);
  if (metadata.length > 0) bind_text(statement, 6, metadata);
  if (sqlite3_step(statement) == SQLITE_ROW) {
    Part file = {sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0)};
    require_tensor(file, name, dtype, rest);
    require_tensor(file, shape, other, (Part){"", 0});
  }
  sqlite3_finalize(statement);
  return 0;
}
