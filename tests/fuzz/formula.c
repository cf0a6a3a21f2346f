/*
** The attack: packed weights whose parts have shapes, dtypes and options that nobody thought of, for which
** some loop reads past the end of a row of words, of scales or of a table.
**
** The input chooses a scheme, its parts from a file of small tensors, and its options. What is computed must be
** the same in floats, row by row, as in doubles, step by step; or it is refused.
*/
#include <string.h>
#include <unistd.h>

#include "fuzz_sql.h"
#include "tensor/decode.h"

enum { LEAF_KINDS = 4, MOST_ELEMENTS = 96, LEAF_COUNT = DTYPE_COUNT * LEAF_KINDS };

typedef struct Machine {
  const uint8_t *data;
  size_t size, at;
  sqlite3 *db;
} Machine;

/* A number below `limit`; 0 at the end of the input. */
static uint32_t pick(Machine *machine, uint32_t limit) {
  return machine->at < machine->size ? machine->data[machine->at++] % limit : 0;
}

/* ---- Leaves: one file for all inputs ---- */

static char path[64] = "/dev/shm/formula.XXXXXX";
static const uint32_t leaf_sizes[LEAF_KINDS] = {4, 12, 24, MOST_ELEMENTS};

static void remove_file(void) {
  unlink(path);
}

static void make_file(void) {
  static unsigned char data[LEAF_COUNT * MOST_ELEMENTS * 8];
  uint64_t size = 0, state = 1;
  sqlite3_str *header = sqlite3_str_new(NULL);
  for (uint32_t i = 0; i < LEAF_COUNT; i++) {
    Dtype dtype = (Dtype)(i / LEAF_KINDS);
    uint64_t nbytes = leaf_sizes[i % LEAF_KINDS] * dtype_bits(dtype) / 8;
    sqlite3_str_appendf(
        header, "%s\"%u\":{\"dtype\":\"%s\",\"shape\":[%u],\"data_offsets\":[%llu,%llu]}",
        i == 0 ? "{" : ",", i, dtype_name(dtype), leaf_sizes[i % LEAF_KINDS], size, size + nbytes);
    for (uint64_t b = 0; b < nbytes; b++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      unsigned char byte = (unsigned char)(state >> 56);
      bool is_index = dtype == DTYPE_I32 && i % LEAF_KINDS < 2; /* small numbers, and -1 */
      data[size + b] = is_index ? (unsigned char)(b % 4 == 0 ? byte % 3 : 0) : byte;
    }
    if (dtype == DTYPE_I32) memset(data + size, 0xff, 4);
    size += nbytes;
  }
  sqlite3_str_appendall(header, "}");
  uint64_t length = (uint64_t)sqlite3_str_length(header);
  char *text = sqlite3_str_finish(header);
  if (access("/dev/shm", W_OK) != 0) strcpy(path, "/tmp/formula.XXXXXX");
  int descriptor = mkstemp(path);
  REQUIRE(text != NULL && descriptor >= 0 && atexit(remove_file) == 0);
  REQUIRE(write(descriptor, &length, 8) == 8);
  REQUIRE(write(descriptor, text, length) == (ssize_t)length);
  REQUIRE(write(descriptor, data, size) == (ssize_t)size);
  close(descriptor);
  sqlite3_free(text);
}

/* ---- A packed weight ---- */

/* Parts, those with a question mark only now and then, and options. */
static const struct {
  const char *scheme, *roles[6], *options[6];
} formulas[] = {
    {"fp8", {"weight", "scale", "zero_point?"}, {"block", "divide"}},
    {"int8", {"weight", "scale", "zero_point?"}, {"block", "divide"}},
    {"mxfp8", {"weight", "scale"}, {"group_size"}},
    {"bnb-int8", {"weight", "SCB"}, {NULL}},
    {"int4",
     {"weight_packed", "weight_scale", "weight_zero_point?", "weight_g_idx?"},
     {"bits", "group_size", "shape"}},
    {"gptq", {"qweight", "qzeros", "scales", "g_idx?"}, {"bits", "group_size", "zero"}},
    {"awq", {"qweight", "qzeros", "scales"}, {"group_size", "version"}},
    {"bnb-nf4",
     {"weight", "absmax", "quant_map", "nested_absmax?", "nested_quant_map?"},
     {"shape", "blocksize", "nested_blocksize", "nested_offset"}},
    {"mxfp4", {"weight", "scale"}, {"layout"}},
    {"nvfp4", {"weight", "scale", "multiply?", "divide?"}, {NULL}},
    {"hqq", {"W_q", "scale", "zero"}, {"shape", "bits", "axis", "group_size", "packing"}},
    {"quanto", {"data", "scale", "shift"}, {"shape", "bits"}},
    {"torchao", {"qdata", "scale", "zero_point?"}, {"block"}},
    {"mlx", {"weight", "scales", "biases?"}, {"bits", "group_size", "mode"}},
};
enum { FORMULA_COUNT = sizeof formulas / sizeof formulas[0] };

static const char *const option_words[] = {"plus_one", "gemv",  "gpt-oss", "mxfp4",
                                           "mxfp8",    "nvfp4", "3bit_32", "2bit_u8"};

static void add_option(Machine *machine, const char *name, sqlite3_str *text) {
  bool word = strcmp(name, "zero") == 0 || strcmp(name, "version") == 0 ||
              strcmp(name, "mode") == 0 || strcmp(name, "layout") == 0 ||
              strcmp(name, "packing") == 0;
  sqlite3_str_appendf(text, "\"%s\":", name);
  if (word) {
    sqlite3_str_appendf(text, "\"%s\"", option_words[pick(machine, 8)]);
  } else if (strcmp(name, "shape") == 0 || strcmp(name, "block") == 0) {
    sqlite3_str_appendf(text, "[%u,%u]", pick(machine, 8), pick(machine, 70));
  } else if (strcmp(name, "bits") == 0) {
    sqlite3_str_appendf(text, "%u", 1 + pick(machine, 9));
  } else {
    sqlite3_str_appendf(text, "%d", (int)pick(machine, 34) - 1);
  }
}

/* A leaf in a shape that parts have. */
static void add_part(Machine *machine, const char *role, sqlite3_str *text) {
  static const Dtype packed[] = {DTYPE_U8,  DTYPE_I8,  DTYPE_F8_E4M3, DTYPE_F4,
                                 DTYPE_I32, DTYPE_U32, DTYPE_BF16,    DTYPE_I32};
  static const Dtype scales[] = {DTYPE_F32,     DTYPE_F16,     DTYPE_BF16, DTYPE_U8,
                                 DTYPE_F8_E4M3, DTYPE_F8_E8M0, DTYPE_I32,  DTYPE_I8};
  static const uint32_t sizes[] = {1, 2, 3, 4, 6, 12};
  bool is_packed = strchr("wqWd", role[0]) != NULL && strchr(role, 's') == NULL;
  Dtype dtype = (is_packed ? packed : scales)[pick(machine, 8)];
  uint32_t kind = pick(machine, LEAF_KINDS), numel = leaf_sizes[kind];
  uint32_t leaf = (uint32_t)dtype * LEAF_KINDS + kind;
  uint32_t rows = sizes[pick(machine, 6)];
  if (numel % rows != 0) rows = 1;
  sqlite3_str_appendf(text, "\"%.*s\":{\"op\":\"reshape\",\"args\":[\"%s#%u\"],\"shape\":[",
                      (int)strcspn(role, "?"), role, path, leaf);
  switch (pick(machine, 8)) {
    case 1: sqlite3_str_appendf(text, "%u]}", numel); break;
    case 2: sqlite3_str_appendf(text, "2,%u,2]}", numel / 4); break;
    default: sqlite3_str_appendf(text, "%u,%u]}", rows, numel / rows);
  }
}

static void check_formula(Machine *machine) {
  uint32_t number = pick(machine, FORMULA_COUNT);
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendf(text, "{\"op\":\"dequantize\",\"scheme\":\"%s\",\"parts\":{",
                      formulas[number].scheme);
  for (int i = 0; i < 6 && formulas[number].roles[i] != NULL; i++) {
    const char *role = formulas[number].roles[i];
    if (strchr(role, '?') != NULL && pick(machine, 2) == 0) continue;
    if (i > 0) sqlite3_str_appendall(text, ",");
    add_part(machine, role, text);
  }
  sqlite3_str_appendall(text, "},\"options\":{");
  bool comma = false;
  for (int i = 0; i < 6 && formulas[number].options[i] != NULL; i++) {
    if (pick(machine, 2) == 0) continue;
    if (comma) sqlite3_str_appendall(text, ",");
    comma = true;
    add_option(machine, formulas[number].options[i], text);
  }
  sqlite3_str_appendall(text, "}}");
  char *expression = sqlite3_str_finish(text);
  REQUIRE(expression != NULL);
  sqlite3_stmt *statement = prepare(machine->db,
                                    "SELECT tensor_json(?1) IS tensor_json(tensor_mul(?1, 1)), "
                                    "tensor_json(tensor_slice(?1, '..., 1::2'))");
  sqlite3_bind_text(statement, 1, expression, -1, SQLITE_STATIC);
  start_statement();
  int code = sqlite3_step(statement);
  REQUIRE(code == SQLITE_ERROR || (code == SQLITE_ROW && sqlite3_column_int(statement, 0) == 1));
  sqlite3_finalize(statement);
  sqlite3_free(expression);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool has_file = false;
  if (!has_file) make_file();
  has_file = true;
  Machine machine = {.data = data, .size = size, .db = fuzz_connect()};
  while (machine.at < machine.size) check_formula(&machine);
  disconnect(machine.db);
  return 0;
}
