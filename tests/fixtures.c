/*
** Writes the safetensors files that the tests and the benchmark read:
**
**     fixtures DIR            small files, good and bad, for the scripts
**     fixtures --model FILE   sparse: 91,991 tensors named as in DeepSeek-V3
**     fixtures --limit FILE   sparse: about 700,000 tensors, a header just under 100 MB
**     fixtures --large FILE   sparse: one tensor of 900 MB, one of 4 kB
**     fixtures --over FILE    sparse: one tensor of 3 GB
**
** Nothing here uses the extension: what it reads back was written without it.
*/
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static FILE *create(const char *path) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) fail(path);
  return file;
}

static void finish(FILE *file, const char *path) {
  if (fclose(file) != 0) fail(path);
}

static void put_length(FILE *file, uint64_t length) {
  for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i) & 0xff), file);
}

static char *join(const char *directory, const char *name) {
  size_t size = strlen(directory) + strlen(name) + 2;
  char *path = malloc(size);
  if (path == NULL) fail("malloc");
  snprintf(path, size, "%s/%s", directory, name);
  return path;
}

/* ---- Small files ---- */

/* A file from its header's JSON and a number of data bytes, which count 0, 1, 2, ... */
typedef struct Small {
  const char *name, *header;
  uint64_t data_size;
  int64_t length; /* the header's length as written; 0: the true one */
} Small;

#define ENTRY(name, dtype, shape, begin, end)                                                    \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
  "]}"

static const Small smalls[] = {
    {"tiny.safetensors",
     "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("a", "F32", "[2,2]", 0, 16) "," ENTRY(
         "b", "U8", "[3]", 16, 19) "}",
     19, 0},
    {"every_dtype.safetensors",
     "{" ENTRY("bool", "BOOL", "[2]", 0, 2) "," ENTRY("f4", "F4", "[2,2]", 2, 4) "," ENTRY(
         "f6_e2m3", "F6_E2M3", "[4]", 4, 7) "," ENTRY("f6_e3m2", "F6_E3M2", "[4]", 7, 10) "," ENTRY("u8",
                                                                                                    "U8",
                                                                                                    "[2]", 10, 12) "," ENTRY("i8",
                                                                                                                             "I8",
                                                                                                                             "[2]", 12, 14) "," ENTRY("f8_e5m2",
                                                                                                                                                      "F8_E5M2",
                                                                                                                                                      "[2]", 14, 16) "," ENTRY("f8_e4m3",
                                                                                                                                                                               "F8_E4M3",
                                                                                                                                                                               "[2]", 16, 18) "," ENTRY("f8_e8m0",
                                                                                                                                                                                                        "F8_E8M0",
                                                                                                                                                                                                        "[2]", 18, 20) "," ENTRY("f8_e4m3fnuz",
                                                                                                                                                                                                                                 "F8_E4M3FNUZ",
                                                                                                                                                                                                                                 "[2]",
                                                                                                                                                                                                                                 20, 22) "," ENTRY("f8_e5m2fnuz",
                                                                                                                                                                                                                                                   "F8_E5M2FNUZ",
                                                                                                                                                                                                                                                   "[2]",
                                                                                                                                                                                                                                                   22, 24) "," ENTRY("i16",
                                                                                                                                                                                                                                                                     "I16",
                                                                                                                                                                                                                                                                     "[2]",
                                                                                                                                                                                                                                                                     24,
                                                                                                                                                                                                                                                                     28) "," ENTRY("u16",
                                                                                                                                                                                                                                                                                   "U16",
                                                                                                                                                                                                                                                                                   "[2]",
                                                                                                                                                                                                                                                                                   28, 32) "," ENTRY("f16",
                                                                                                                                                                                                                                                                                                     "F16",
                                                                                                                                                                                                                                                                                                     "[2]", 32, 36) "," ENTRY("bf16",
                                                                                                                                                                                                                                                                                                                              "BF16",
                                                                                                                                                                                                                                                                                                                              "[2]", 36, 40) "," ENTRY("i32",
                                                                                                                                                                                                                                                                                                                                                       "I32",
                                                                                                                                                                                                                                                                                                                                                       "[2]", 40, 48) "," ENTRY("u32",
                                                                                                                                                                                                                                                                                                                                                                                "U32",
                                                                                                                                                                                                                                                                                                                                                                                "[2]", 48, 56) "," ENTRY("f32",
                                                                                                                                                                                                                                                                                                                                                                                                         "F32",
                                                                                                                                                                                                                                                                                                                                                                                                         "[2]", 56, 64) "," ENTRY("c64",
                                                                                                                                                                                                                                                                                                                                                                                                                                  "C64",
                                                                                                                                                                                                                                                                                                                                                                                                                                  "[2]",
                                                                                                                                                                                                                                                                                                                                                                                                                                  64, 80) "," ENTRY("f64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                    "F64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                    "[2]", 80, 96) "," ENTRY("i64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "I64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "[2]",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                             96,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                             112) "," ENTRY("u64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "U64",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "[2]",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            112,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            128) "}",
     128, 0},
    {"no_tensors.safetensors", "{}", 0, 0},
    {"metadata.safetensors",
     "{\"__metadata__\":{\"format\":\"pt\",\"\":\"empty key\",\"ss_tag\":\"{\\\"a\\\": 1}\","
     "\"nul\":\"a\\u0000b\",\"smile\":\"\\ud83d\\ude00 \xc3\xa9\"}}",
     0, 0},
    {"null_metadata.safetensors", "{\"__metadata__\":null," ENTRY("x", "U8", "[1]", 0, 1) "}", 1,
     0},
    {"metadata_last.safetensors",
     "{" ENTRY("x", "U8", "[1]", 0, 1) ",\"__metadata__\":{\"k\":\"v\"}}", 1, 0},
    {"shapes.safetensors",
     "{" ENTRY("scalar", "F32", "[]", 0, 4) "," ENTRY("none", "F32", "[0]", 4, 4) "," ENTRY(
         "no_columns", "F32", "[3,0]", 4,
         4) "," ENTRY("huge_but_empty", "F32", "[0,9223372036854775807,3]", 4,
                      4) "," ENTRY("", "U8", "[1,1,1,1,1]", 4, 5) "}",
     5, 0},
    {"spaces.safetensors",
     " \t\n{ \"a\" : { \"shape\" : [ 2 , 3 ] , \"data_offsets\" : [ 0 ,\n 6 ] , \"dtype\" : \"U8\" "
     "}"
     " }  \t\r\n",
     6, 0},
    {"not_plain.safetensors",
     "{\"a\\u0062\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":{\"x\":[1.5,-"
     "2]}}"
     ",\"\\ud83d\\ude00\":{\"\\u0064type\":\"U8\",\"shape\":[ 1 ],\"data_offsets\":[1,2]},"
     "\"quote\\\"back\\\\slash\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3],"
     "\"comment\":\"a string that is a good deal longer than thirty-one bytes\"}}",
     3, 0},
    {"unordered.safetensors",
     "{" ENTRY("second", "U8", "[2]", 1, 3) "," ENTRY("first", "U8", "[1]", 0, 1) "," ENTRY(
         "third", "U8", "[3]", 3, 6) "}",
     6, 0},
    {"names.safetensors",
     "{" ENTRY("model.layers.0.mlp_3.weight", "U8", "[1]", 0, 1) "," ENTRY(
         "model.layers.12.x", "U8", "[1]", 1,
         2) "," ENTRY("h/07/x", "U8", "[1]", 2,
                      3) "," ENTRY("conv2d.weight", "U8", "[1]", 3,
                                   4) "," ENTRY("5", "U8", "[1]", 4,
                                                5) "," ENTRY("a#b?c%d e", "U8", "[1]", 5,
                                                             6) "," ENTRY("x.99999999999999999999",
                                                                          "U8", "[1]", 6,
                                                                          7) "," ENTRY("\xc3\xa9t"
                                                                                       "\xc3\xa9.1_"
                                                                                       "2",
                                                                                       "U8", "[1]",
                                                                                       7,
                                                                                       8) "," ENTRY("..3",
                                                                                                    "U8",
                                                                                                    "[1]",
                                                                                                    8,
                                                                                                    9) "}",
     9, 0},
    {"odd #1? 100%.safetensors", "{" ENTRY("a#b", "U8", "[4]", 0, 4) "}", 4, 0},
    {"left.safetensors",
     "{" ENTRY("both", "U8", "[2]", 0, 2) "," ENTRY("only_left", "U8", "[1]", 2, 3) "," ENTRY(
         "dtype", "F32", "[1]", 3, 7) "," ENTRY("shape", "U8", "[4]", 7,
                                                11) "," ENTRY("CASE", "U8", "[1]", 11, 12) "}",
     12, 0},
    {"right.safetensors",
     "{" ENTRY("shape", "U8", "[2,2]", 0, 4) "," ENTRY("dtype", "I32", "[1]", 4, 8) "," ENTRY(
         "only_right", "U8", "[1]", 8, 9) "," ENTRY("both", "U8", "[2]", 9,
                                                    11) "," ENTRY("case", "U8", "[1]", 11, 12) "}",
     12, 0},
    {"third.safetensors",
     "{" ENTRY("both", "U8", "[1]", 0, 1) "," ENTRY("only_third", "U8", "[1]", 1, 2) "}", 2, 0},
    {"again.safetensors", /* left's dtype and shape, byte for byte; both and CASE with others */
     "{" ENTRY("CASE", "U8", "[1]", 0, 1) "," ENTRY("both", "U8", "[2]", 1, 3) "," ENTRY(
         "dtype", "F32", "[1]", 3, 7) "," ENTRY("shape", "U8", "[4]", 7, 11) "}",
     11, 0},
    {"prefixed.safetensors",
     "{" ENTRY("model.both", "U8", "[2]", 0, 2) "," ENTRY("model.dtype", "F32", "[1]", 2, 6) "}", 6,
     0},

    /* Bad ones, each with the one fault that it is named after. */
    {"bad/length_past_end.safetensors", "{}", 0, 100},
    {"bad/length_over_limit.safetensors", "{}", 0, 100000001},
    {"bad/length_negative.safetensors", "{}", 0, -1},
    {"bad/header_empty.safetensors", "", 0, 0},
    {"bad/not_utf8.safetensors", "{\"\xff\":{}}", 0, 0},
    {"bad/surrogate_utf8.safetensors", "{\"__metadata__\":{\"a\":\"\xed\xa0\x80\"}}", 0, 0},
    {"bad/not_json.safetensors", "{\"a\":", 0, 0},
    {"bad/trailing_text.safetensors", "{} x", 0, 0},
    {"bad/array.safetensors", "[]", 0, 0},
    {"bad/duplicate_name.safetensors",
     "{" ENTRY("a", "U8", "[1]", 0, 1) "," ENTRY("a", "U8", "[1]", 0, 1) "}", 1, 0},
    {"bad/duplicate_name_escaped.safetensors",
     "{" ENTRY("a", "U8", "[1]", 0, 1) "," ENTRY("\\u0061", "U8", "[1]", 1, 2) "}", 2, 0},
    {"bad/duplicate_field.safetensors",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0},
    {"bad/duplicate_metadata.safetensors", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, 0},
    {"bad/duplicate_metadata_key.safetensors", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0,
     0},
    {"bad/nul_in_name.safetensors", "{" ENTRY("a\\u0000b", "U8", "[1]", 0, 1) "}", 1, 0},
    {"bad/metadata_array.safetensors", "{\"__metadata__\":[]}", 0, 0},
    {"bad/metadata_number.safetensors", "{\"__metadata__\":{\"version\":1}}", 0, 0},
    {"bad/metadata_escape.safetensors", "{\"__metadata__\":{\"a\":\"\\x\"}}", 0, 0},
    {"bad/metadata_lone_surrogate.safetensors", "{\"__metadata__\":{\"a\":\"\\ud800\"}}", 0, 0},
    {"bad/entry_number.safetensors", "{\"a\":1}", 0, 0},
    {"bad/entry_array.safetensors", "{\"a\":[\"U8\",[1],[0,1]]}", 1, 0},
    {"bad/dtype_unknown.safetensors", "{" ENTRY("a", "F128", "[1]", 0, 16) "}", 16, 0},
    {"bad/dtype_missing.safetensors", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 0},
    {"bad/dtype_number.safetensors", "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}",
     1, 0},
    {"bad/shape_negative.safetensors", "{" ENTRY("a", "U8", "[-1]", 0, 1) "}", 1, 0},
    {"bad/shape_minus_zero.safetensors", "{" ENTRY("a", "U8", "[-0]", 0, 0) "}", 0, 0},
    {"bad/shape_fraction.safetensors", "{" ENTRY("a", "U8", "[1.0]", 0, 1) "}", 1, 0},
    {"bad/shape_exponent.safetensors", "{" ENTRY("a", "U8", "[1e0]", 0, 1) "}", 1, 0},
    {"bad/shape_string.safetensors", "{" ENTRY("a", "U8", "\"1\"", 0, 1) "}", 1, 0},
    {"bad/shape_leading_zero.safetensors", "{" ENTRY("a", "U8", "[01]", 0, 1) "}", 1, 0},
    {"bad/shape_2_63.safetensors", "{" ENTRY("a", "U8", "[9223372036854775808,0]", 0, 0) "}", 0, 0},
    {"bad/shape_overflow.safetensors", "{" ENTRY("a", "U8", "[9223372036854775807,3,0]", 0, 0) "}",
     0, 0},
    {"bad/bits_overflow.safetensors", "{" ENTRY("a", "F64", "[576460752303423488]", 0, 0) "}", 0,
     0},
    {"bad/part_of_a_byte.safetensors", "{" ENTRY("a", "F4", "[3]", 0, 2) "}", 2, 0},
    {"bad/offsets_three.safetensors",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, 0},
    {"bad/offsets_reversed.safetensors", "{" ENTRY("a", "U8", "[1]", 1, 0) "}", 1, 0},
    {"bad/size_mismatch.safetensors", "{" ENTRY("a", "F32", "[2]", 0, 4) "}", 4, 0},
    {"bad/hole.safetensors",
     "{" ENTRY("a", "U8", "[1]", 0, 1) "," ENTRY("b", "U8", "[1]", 2, 3) "}", 3, 0},
    {"bad/hole_at_start.safetensors", "{" ENTRY("a", "U8", "[1]", 1, 2) "}", 2, 0},
    {"bad/overlap.safetensors",
     "{" ENTRY("a", "U8", "[2]", 0, 2) "," ENTRY("b", "U8", "[2]", 1, 3) "}", 3, 0},
    {"bad/truncated.safetensors", "{" ENTRY("a", "U8", "[10]", 0, 10) "}", 7, 0},
    {"bad/trailing_bytes.safetensors", "{" ENTRY("a", "U8", "[1]", 0, 1) "}", 5, 0},
    {"bad/control_character.safetensors",
     "{\"\\u001b[31mred\":{\"dtype\":\"X\",\"shape\":[],\"data_offsets\":[0,0]}}", 0, 0},
};

static void write_small(const char *directory, const Small *small) {
  char *path = join(directory, small->name);
  FILE *file = create(path);
  size_t length = strlen(small->header);
  put_length(file, small->length != 0 ? (uint64_t)small->length : length);
  fwrite(small->header, 1, length, file);
  for (uint64_t i = 0; i < small->data_size; i++) fputc((int)(i & 0xff), file);
  finish(file, path);
  free(path);
}

static const struct {
  const char *name;
  const char *bytes;
  size_t size;
} strangers[] = {
#define BYTES(text) text, sizeof text - 1
    {"bad/empty.safetensors", BYTES("")},
    {"bad/seven_bytes.safetensors", BYTES("\2\0\0\0\0\0\0")},
    {"bad/lfs_pointer.safetensors",
     BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1234\n")},
    {"bad/zip.safetensors", BYTES("PK\3\4\24\0\0\0\10\10archive/data.pkl")},
    {"bad/pickle.safetensors", BYTES("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.")},
    {"bad/gguf.safetensors", BYTES("GGUF\3\0\0\0\0\0\0\0\0\0\0\0")},
    {"bad/html.safetensors", BYTES("\n<!DOCTYPE html><html><body>404</body></html>\n")},
#undef BYTES
};

static void make_directory(const char *path) {
  if (mkdir(path, 0777) != 0 && errno != EEXIST) fail(path);
}

static void write_smalls(const char *directory) {
  char *bad = join(directory, "bad");
  make_directory(directory);
  make_directory(bad);
  free(bad);
  for (size_t i = 0; i < sizeof smalls / sizeof smalls[0]; i++) {
    write_small(directory, &smalls[i]);
  }
  for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    char *path = join(directory, strangers[i].name);
    FILE *file = create(path);
    fwrite(strangers[i].bytes, 1, strangers[i].size, file);
    finish(file, path);
    free(path);
  }
}

/* ---- Large, sparse ones ---- */

/* A header under construction. */
typedef struct Builder {
  char *header;
  size_t header_size;
  FILE *header_stream;
  uint64_t offset, seed;
} Builder;

static void builder_open(Builder *builder, const char *metadata) {
  *builder = (Builder){0};
  builder->header_stream = open_memstream(&builder->header, &builder->header_size);
  if (builder->header_stream == NULL) fail("open_memstream");
  fprintf(builder->header_stream, "{\"__metadata__\":%s", metadata);
}

/* Two passes over the same callbacks: the header's length has to be known before it is written, and
** a memory stream of 100 MB will do. */
static void write_sparse(const char *path, Builder *builder) {
  fputc('}', builder->header_stream);
  fclose(builder->header_stream);
  FILE *file = create(path);
  put_length(file, builder->header_size);
  fwrite(builder->header, 1, builder->header_size, file);
  uint64_t size = 8 + builder->header_size + builder->offset;
  if (fflush(file) != 0 || ftruncate(fileno(file), (off_t)size) != 0) fail(path);
  finish(file, path);
  free(builder->header);
}

static void declare(Builder *builder, const char *name, const char *dtype, unsigned bytes,
                    uint64_t rows, uint64_t columns) {
  uint64_t end = builder->offset + rows * columns * bytes;
  fprintf(builder->header_stream,
          ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%" PRIu64 ",%" PRIu64 "],\"data_offsets\":[%" PRIu64
          ",%" PRIu64 "]}",
          name, dtype, rows, columns, builder->offset, end);
  builder->offset = end;
}

static void declare_expert(Builder *builder, int layer, const char *expert) {
  static const char *const projections[] = {"down_proj", "gate_proj", "up_proj"};
  char name[128];
  for (int p = 0; p < 3; p++) {
    snprintf(name, sizeof name, "model.layers.%d.mlp.%s.%s.weight", layer, expert, projections[p]);
    declare(builder, name, "F8_E4M3", 1, 20, 70);
    snprintf(name, sizeof name, "model.layers.%d.mlp.%s.%s.weight_scale_inv", layer, expert,
             projections[p]);
    declare(builder, name, "F32", 4, 16, 56);
  }
}

/* Layers of 256 experts until `count` tensors are declared, or the header has `limit` bytes. */
static void write_experts(const char *path, uint64_t count, size_t limit) {
  Builder builder;
  uint64_t declared = 0;
  builder_open(&builder, "{\"format\":\"pt\"}");
  for (int layer = 0;; layer++) {
    for (int expert = 0; expert < 257; expert++) {
      char name[64];
      snprintf(name, sizeof name, expert < 256 ? "experts.%d" : "shared_experts", expert);
      if (declared + 6 > count || builder.header_size + 2000 > limit) {
        for (; declared < count && builder.header_size + 200 < limit && declared + 6 > count;
             declared++) {
          snprintf(name, sizeof name, "model.extra.%" PRIu64, declared);
          declare(&builder, name, "BF16", 2, 7, 5);
        }
        write_sparse(path, &builder);
        return;
      }
      declare_expert(&builder, layer, name);
      declared += 6;
      fflush(builder.header_stream);
    }
  }
}

static void write_large(const char *path, uint64_t rows) {
  Builder builder;
  builder_open(&builder, "{}");
  declare(&builder, "large", "F32", 4, rows, 1000);
  declare(&builder, "small", "F32", 4, 1, 1000);
  write_sparse(path, &builder);
}

int main(int argc, char **argv) {
  const char *mode = argc == 3 ? argv[1] : "", *path = argv[argc - 1];
  if (argc == 2 && argv[1][0] != '-') {
    write_smalls(path);
  } else if (strcmp(mode, "--model") == 0) {
    write_experts(path, 91991, SIZE_MAX);
  } else if (strcmp(mode, "--limit") == 0) {
    write_experts(path, UINT64_MAX, 100000000);
  } else if (strcmp(mode, "--large") == 0) {
    write_large(path, 225000);
  } else if (strcmp(mode, "--over") == 0) {
    write_large(path, 750000);
  } else {
    fprintf(stderr, "usage: fixtures DIR, or fixtures --model|--limit|--large|--over FILE\n");
    return 2;
  }
  return 0;
}
