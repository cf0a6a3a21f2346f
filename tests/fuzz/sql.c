/*
** The attack: a whole file that its maker chose, opened by path or handed over as a BLOB, and all
** that SQL can do with it: that two layers which each check their part leave a gap between them.
**
** The input is the file, and a last byte that chooses a statement, how the file is named and how it is
** read. The
** mutator keeps the parts of a file together: most of what it makes has the header length that the
** header has, and the size that the header asks for.
*/
#include <fcntl.h>
#include <unistd.h>

#include "fuzz_sql.h"

/* ?1 is the path or the bytes, ?2 the path. */
static const char *const statements[] = {
    "SELECT *, rank, layer, pattern, ref, data FROM safetensors_tensors(?1)",
    "SELECT name, data FROM safetensors_tensors(?1) ORDER BY offset DESC",
    "SELECT * FROM safetensors_metadata(?1)",
    "SELECT *, data_offset FROM safetensors_files(?1)",
    "SELECT tensor_json(ref), tensor_cast(ref, 'BF16'), tensor_data(ref, '..., ::2') "
    "FROM safetensors_tensors(?2)",
    "SELECT tensor_dtype(ref), tensor_shape(ref), tensor_numel(ref), tensor_nbytes(ref), "
    "tensor_item(ref), tensor_item(ref, 0), tensor_item(ref, -1, 0) FROM safetensors_tensors(?2)",
    "SELECT e.* FROM safetensors_tensors(?2) t, tensor_elements(t.ref, '::3') e",
    "SELECT t.name, r.i, r.ref, tensor_json(r.ref), tensor_json(r.data, t.dtype) "
    "FROM safetensors_tensors(?2) t, tensor_rows(t.ref) r",
    "SELECT a.name, b.name, a.data = b.data FROM safetensors_tensors(?1) a "
    "FULL JOIN safetensors_tensors(?1) b ON a.name = b.name",
    "SELECT tensor_json(data, dtype, shape) FROM safetensors_tensors(?1)",
    "SELECT * FROM safetensors_check(?1)",
    "SELECT *, metadata FROM safetensors_salvage(?1)",
    "SELECT *, config, index_file FROM safetensors_models(?2)",
    "SELECT tensor_data(ref), tensor_json(ref) FROM safetensors_salvage(?2)",
    "SELECT t.name, s.* FROM safetensors_tensors(?2) t, tensor_stats(t.ref) s",
    "SELECT t.name, h.* FROM safetensors_tensors(?2) t, tensor_histogram(t.ref, 5) h",
    "SELECT tensor_hash(ref), tensor_hash(data, dtype), tensor_sparkline(ref, 7), "
    "tensor_quantile(ref, 0.4), tensor_quantile(data, dtype, shape, 1, 'lower') "
    "FROM safetensors_tensors(?2)",
    "SELECT d.*, layer, pattern, numel FROM safetensors_diff(?1, ?2) d",
    "SELECT name, status, ref_a, ref_b FROM safetensors_diff(?2, ?1) d WHERE status <> 'same'",
    "SELECT c.* FROM safetensors_tensors(?2) t, tensor_compare(t.ref, t.data, t.dtype, t.shape) c",
    "SELECT tensor_equal(ref, ref), tensor_allclose(ref, data, dtype), tensor_cosine(ref, ref), "
    "tensor_max_abs_diff(ref, ref) FROM safetensors_tensors(?2)",
    "SELECT safetensors_serialize(name, dtype, shape, data) FROM safetensors_tensors(?1)",
    "SELECT count(*) FROM safetensors_tensors((SELECT safetensors_serialize(name, NULL, NULL, ref) "
    "FROM safetensors_tensors(?2)))",
    "SELECT pattern, max(data), group_concat(hex(data)) FROM safetensors_tensors(?1) GROUP BY 1",
    "SELECT *, ref_a, ref_b, layer, pattern, mean_abs_diff, l2_diff FROM safetensors_diff(?1, ?2)",
    "SELECT c.*, tensor_equal(a.ref, b.ref), tensor_allclose(b.ref, a.ref) "
    "FROM safetensors_tensors(?2) a JOIN safetensors_tensors(?2) b USING (shape), "
    "tensor_compare(a.ref, b.ref) c",
};

enum { STATEMENT_COUNT = sizeof statements / sizeof statements[0] };

static char path[64] = "/dev/shm/fuzz.XXXXXX";

static void remove_file(void) {
  unlink(path);
}

static void write_file(const uint8_t *data, size_t size) {
  static int descriptor = -1;
  if (descriptor < 0) {
    if (access("/dev/shm", W_OK) != 0) strcpy(path, "/tmp/fuzz.XXXXXX");
    descriptor = mkstemp(path);
    atexit(remove_file);
  }
  REQUIRE(descriptor >= 0 && ftruncate(descriptor, 0) == 0);
  REQUIRE(pwrite(descriptor, data, size, 0) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  unsigned choice = data[--size];
  bool by_path = choice / STATEMENT_COUNT % 2 == 0, mapped = choice / STATEMENT_COUNT / 2 % 2 == 0;
  write_file(data, size);
  sqlite3 *db = fuzz_connect();
  if (!mapped) sqlite3_exec(db, "SELECT safetensors_config('io', 'pread')", NULL, NULL, NULL);
  sqlite3_stmt *statement = prepare(db, statements[choice % STATEMENT_COUNT]);
  if (by_path) {
    sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
  } else {
    sqlite3_bind_blob64(statement, 1, data, size, SQLITE_STATIC);
  }
  sqlite3_bind_text(statement, 2, path, -1, SQLITE_STATIC);
  run_to_end(db, statement);
  sqlite3_finalize(statement);
  disconnect(db);
  return 0;
}

/* ---- The mutator ---- */

static void put_length(uint8_t *data, uint64_t length) {
  for (int i = 0; i < HEADER_PREFIX_SIZE; i++) data[i] = (uint8_t)(length >> 8 * i);
}

/* The size of data that the header asks for, if it is a good one; `otherwise` if not. */
static size_t data_size_of(const uint8_t *header, size_t length, size_t otherwise) {
  Error error = {0};
  uint64_t file_size;
  Header *parsed = parse_granting_size(header, length, &file_size, &error);
  size_t size = parsed != NULL ? (size_t)(file_size - length - HEADER_PREFIX_SIZE) : otherwise;
  error_clear(&error);
  header_free(parsed);
  return size;
}

/* Mutates the header alone, and makes length and data fit it. */
static size_t mutate_header(uint8_t *data, size_t size, size_t length, size_t max_size) {
  static uint8_t header[1 << 16];
  uint8_t choice = data[size - 1];
  if (max_size > sizeof header) max_size = sizeof header;
  if (max_size < HEADER_PREFIX_SIZE + 2 || length > max_size - HEADER_PREFIX_SIZE - 1) return 0;
  memcpy(header, data + HEADER_PREFIX_SIZE, length);
  size_t left = size - 1 - HEADER_PREFIX_SIZE - length;
  length = LLVMFuzzerMutate(header, length, max_size - HEADER_PREFIX_SIZE - 1);
  left = data_size_of(header, length, left);
  size_t room = max_size - HEADER_PREFIX_SIZE - length - 1;
  if (left > room) left = room;
  put_length(data, length);
  memcpy(data + HEADER_PREFIX_SIZE, header, length);
  size = HEADER_PREFIX_SIZE + length + left;
  for (size_t i = HEADER_PREFIX_SIZE + length; i < size; i++) data[i] = (uint8_t)(i * 37);
  data[size++] = choice;
  return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  uint64_t length;
  bool is_file = size > HEADER_PREFIX_SIZE && header_length(data, size - 1, &length);
  size_t mutated = 0;
  if (is_file && seed % 8 < 5) {
    mutated = mutate_header(data, size, (size_t)length, max_size);
  } else if (is_file && seed % 8 < 7) { /* the data and the choice */
    size_t start = HEADER_PREFIX_SIZE + (size_t)length;
    mutated = start + LLVMFuzzerMutate(data + start, size - start, size - start);
  }
  return mutated > 0 ? mutated : LLVMFuzzerMutate(data, size, max_size);
}
