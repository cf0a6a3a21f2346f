/*
** The host's floating-point environment: in each that a host may have set, every function and table
** gives what it gives in the default one, to the bit, on one thread and on several; and the host's is
** afterwards what it was before, the flags of exceptions too.
**
**     float_environment           run the tests
**     float_environment --cost    print what saving it costs: the nanoseconds of a call of tensor_item,
**                                 and those of them that go into the environment
**
** Covers little: of all lines, others reach nearly as many.
*/
#include <fenv.h>
#include <math.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/float_environment.h"
#include "program.h"

#if defined(__x86_64__) || defined(__i386__)
#define X86 1
#endif

/* Enough for several threads, and some that are subnormal, or near a boundary of rounding. */
enum { LARGE = 9 << 16, SMALL = 700 };

static char path[64], out[64], shards[64], adapter[64];

/* ---- Data ---- */

static uint64_t random_bits(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 11;
}

/* F32 of all magnitudes, each fourth one subnormal: bits that a host may have taken for 0. */
static void write_elements(FILE *file, uint64_t count, unsigned size) {
  uint64_t state = 1;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t bits = random_bits(&state);
    float single = (float)((double)(bits & 0xffffff) * (i % 2 ? 0x1p-24 : -0x1p-24));
    double number = (double)single * (1 + (double)(bits >> 24) * 0x1p-40);
    if (i % 4 == 0) {
      single *= 0x1p-127f;
      number *= 0x1p-1024;
    }
    fwrite(size == 4 ? (void *)&single : (void *)&number, size, 1, file);
  }
}

static void write_file(void) {
  static const char header[] =
      "{\"f\":{\"dtype\":\"F32\",\"shape\":[589824],\"data_offsets\":[0,2359296]},"
      "\"d\":{\"dtype\":\"F64\",\"shape\":[589824],\"data_offsets\":[2359296,7077888]},"
      "\"s\":{\"dtype\":\"F32\",\"shape\":[700],\"data_offsets\":[7077888,7080688]},"
      "\"t\":{\"dtype\":\"F64\",\"shape\":[700],\"data_offsets\":[7080688,7086288]},"
      "\"c\":{\"dtype\":\"C64\",\"shape\":[350],\"data_offsets\":[7086288,7089088]}}";
  FILE *file = fopen(path, "wb");
  if (file == NULL) stop(path);
  uint64_t length = sizeof header - 1;
  for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i) & 0xff), file);
  fputs(header, file);
  write_elements(file, LARGE, 4);
  write_elements(file, LARGE, 8);
  write_elements(file, SMALL, 4);
  write_elements(file, SMALL, 8);
  write_elements(file, SMALL, 4);
  if (fclose(file) != 0) stop(path);
}

/* With numbers that the configuration has as decimal text, and a scale that is no short one. */
static void write_adapter(void) {
  static const char header[] =
      "{\"base_model.model.x.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":["
      "0,12]},"
      "\"base_model.model.x.lora_B.weight\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":["
      "12,24]}}";
  char name[96];
  snprintf(name, sizeof name, "%s/adapter_config.json", adapter);
  FILE *file = mkdir(adapter, 0700) == 0 ? fopen(name, "wb") : NULL;
  if (file == NULL) stop(name);
  fputs("{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":0.7,\"lora_dropout\":0.05}", file);
  if (fclose(file) != 0) stop(name);
  snprintf(name, sizeof name, "%s/adapter_model.safetensors", adapter);
  file = fopen(name, "wb");
  if (file == NULL) stop(name);
  uint64_t length = sizeof header - 1;
  for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i) & 0xff), file);
  fputs(header, file);
  write_elements(file, 6, 4);
  if (fclose(file) != 0) stop(name);
}

/* ---- Questions ---- */

/* %w is the path of the file, %1 and %2 where files may be written, %3 an adapter's directory; all
** within a literal. */
static const char *const questions[] = {
    "SELECT * FROM tensor_stats('%w#f')",
    "SELECT * FROM tensor_stats('%w#d')",
    "SELECT * FROM tensor_stats('%w#c')",
    "SELECT * FROM tensor_stats('%w?slice=::3#d')",
    "SELECT * FROM tensor_histogram('%w#f', 100)",
    "SELECT * FROM tensor_histogram('%w#d', 7, -0.1, 0.3)",
    "SELECT * FROM tensor_compare('%w#f', '%w#d')",
    "SELECT * FROM tensor_nearest('%w#s', tensor_slice('%w#s', ':1'))",
    "SELECT * FROM tensor_nearest('%w#s', tensor_slice('%w#s', '3:4'), 9, 'l2')",
    "SELECT * FROM tensor_nearest('%w#d', tensor_slice('%w#d', '3:4'), 9, 'dot')",
    "SELECT *, left, right FROM tensor_svd(tensor_reshape('%w#s', '[70,10]'), 3)",
    "SELECT *, n_nan, l2_a, l2_b, l2_diff FROM tensor_compare('%w?slice=350:#s', '%w#c', '[350]')",
    "SELECT idx, coord, value FROM tensor_elements('%w#s')",
    "SELECT value FROM tensor_elements('%w#t')",
    "SELECT value FROM tensor_elements('%w#c')",
    "SELECT value FROM tensor_elements(x'010000000000f07f0100000000000000', 'F64', '[2]')",
    "SELECT i, tensor_json(data, 'F32') FROM tensor_rows('%w#s') WHERE i < 9",
    "SELECT tensor_json('%w#s')",
    "SELECT tensor_json('%w#t')",
    "SELECT tensor_json('%w#c')",
    "SELECT tensor_item('%w#s', 4), tensor_item('%w#t', -4), tensor_item('%w#c', 2)",
    "SELECT tensor_cast('%w#s', 'F64'), tensor_cast('%w#s', 'F16'), tensor_cast('%w#s', 'BF16')",
    "SELECT tensor_cast('%w#t', 'F32'), tensor_cast('%w#t', 'F8_E4M3'), tensor_cast('%w#t', 'I8')",
    "SELECT tensor_cast('%w#t', 'F8_E8M0'), tensor_cast('%w#t', 'F4'), tensor_cast('%w#t', "
    "'F6_E2M3')",
    "SELECT tensor_hash('%w#f'), tensor_sparkline('%w#f'), tensor_sparkline('%w#d')",
    "SELECT tensor_quantile('%w#s', 0.3), tensor_quantile('%w#d', 0.7, 'nearest')",
    "SELECT tensor_quantile('%w#t', 0.4), tensor_quantile('%w#c', 0.6)",
    "SELECT tensor_mul('%w#s', 0.1), tensors_average('%w#s', 0.1), tensor_slerp('%w#s', '%w#s', "
    "1e-320)",
    "SELECT tensor_json(tensor_exp(tensor_mul('%w#s', 0.1))), tensor_json(tensor_sqrt('%w#s'))",
    "SELECT * FROM tensor_stats(tensor_div('%w#f', 3))",
    "SELECT tensor_json(tensor_slerp('%w#s', tensor_sign('%w#s'), 0.3), ':9')",
    "SELECT tensor_json(tensor_matmul('%w#s', tensor_transpose(tensor_log(tensor_abs('%w#s')))))",
    "SELECT tensor_hash(tensor_convert(tensor_div('%w#d', 7), 'BF16'))",
    "SELECT tensor_json(tensor_lerp(tensor_add('%w#s', 0.1), tensor_sub('%w#s', '%w#s'), 0.3))",
    "SELECT tensor_json(tensor_where(tensor_greater('%w#s', 0), tensor_minimum('%w#s', 0.1), "
    "tensor_maximum('%w#s', -0.1)))",
    "SELECT tensor_json(tensor_concat(0, tensor_equals('%w#s', 0), tensor_less('%w#s', 1e-310), "
    "tensor_greater_equal('%w#s', 0), tensor_less_equal('%w#s', 0), tensor_isnan('%w#s')))",
    "SELECT tensor_json(tensor_norm('%w#s', 0)), tensor_json(tensor_total(tensor_neg('%w#s'), 0))",
    "SELECT tensor_json(tensor_mul(tensor_full('[9]', 0.1), tensor_random('[9]', 7)))",
    "SELECT tensor_json(tensor_take(tensor_reshape(tensor_slice('%w#s', ':9'), '[3,3]'), '[2]', "
    "0))",
    "SELECT tensor_equal('%w#s', '%w#t'), tensor_equal('%w#f', '%w#f')",
    "SELECT tensor_allclose('%w#f', '%w#d'), tensor_allclose('%w#s', '%w#t', 1e-7, 1e-300)",
    "SELECT tensor_cosine('%w#f', '%w#d'), tensor_max_abs_diff('%w#f', '%w#d')",
    "SELECT tensor_ref('%w', 's'), tensor_dtype('%w#s'), tensor_shape('%w#s')",
    "SELECT tensor_numel('%w#s'), tensor_nbytes('%w#s'), tensor_data('%w#s')",
    "SELECT safetensors_pretty(123456789), safetensors_pretty(1048575, 'count')",
    "SELECT safetensors_label('a.b', 'a.'), safetensors_parameters(':path'), "
    "safetensors_refuse(NULL)",
    "SELECT safetensors_html('<a>'), safetensors_page('<b>'), safetensors_wrap('a', 'b c')",
    "SELECT safetensors_common(column1) FROM (VALUES ('a.b'), ('a.c'))",
    "CREATE TEMP TABLE IF NOT EXISTS printed AS SELECT 0.1 AS a, 1e-310 AS b, 1e23 AS c",
    "SELECT safetensors_print('json', 'printed')",
    "SELECT safetensors_pretty(999949999, 'bytes'), safetensors_pretty(2047, 'bytes')",
    "SELECT tensor_hash(tensor_add('%w#s', tensor_sub('%w#s', 0.1))), "
    "tensor_hash(tensor_mul('%w#t', "
    "tensor_div(1, '%w#t')))",
    "SELECT tensor_hash(tensor_lerp('%w#f', '%w#d', 0.3)), tensor_hash(tensor_slerp('%w#f', "
    "'%w#d', "
    "0.3))",
    "SELECT tensor_hash(tensor_exp('%w#s')), tensor_hash(tensor_log(tensor_abs('%w#t'))), "
    "tensor_hash(tensor_sqrt(tensor_abs('%w#s')))",
    "SELECT tensor_hash(tensor_maximum('%w#s', tensor_neg('%w#s'))), "
    "tensor_hash(tensor_minimum('%w#s', tensor_sign('%w#t')))",
    "SELECT tensor_hash(tensor_where(tensor_greater('%w#s', 0), '%w#t', '%w#s')), "
    "tensor_hash(tensor_less('%w#s', '%w#t')), tensor_hash(tensor_equals('%w#s', '%w#t'))",
    "SELECT tensor_hash(tensor_greater_equal('%w#s', 0)), tensor_hash(tensor_less_equal('%w#s', "
    "0)), "
    "tensor_hash(tensor_isnan('%w#s'))",
    "SELECT tensor_hash(tensor_norm(tensor_reshape('%w#s', '[7,100]'), 1)), "
    "tensor_hash(tensor_total(tensor_reshape('%w#t', '[7,100]'), 0))",
    "SELECT tensor_hash(tensor_matmul(tensor_reshape('%w#s', '[7,100]'), "
    "tensor_transpose(tensor_reshape('%w#s', '[7,100]'))))",
    "SELECT tensor_hash(tensor_concat(0, tensor_slice('%w#s', '::2'), tensor_take('%w#s', "
    "'[3,1]', 0)))",
    "SELECT tensor_hash(tensor_convert('%w#t', 'F16')), tensor_hash(tensor_full('[3]', 1e-310)), "
    "tensor_hash(tensor_random('[1000]', 7))",
    "SELECT tensor_json(tensor_dequantize('fp8', json_object('weight', tensor_convert('%w#s', "
    "'F8_E4M3'), 'scale', tensor_full('[1]', 0.1))))",
    "SELECT tensor_hash(tensor_delta('lora', json_object('lora_A', tensor_reshape('%w#s', "
    "'[7,100]'), 'lora_B', tensor_transpose(tensor_reshape('%w#s', '[7,100]'))), "
    "'{\"scale\":0.1}'))",
    "SELECT tensor_sha256('%w#s'), safetensors_digest('%w', 'content')",
    "SELECT file, status FROM safetensors_verify('%w')",
    "SELECT model, kind, numel, status FROM safetensors_models('%w')",
    "SELECT name, scheme, numel, status FROM safetensors_weights('%w')",
    "SELECT module, kind, scale, status FROM safetensors_adapter('%w')",
    "SELECT scale, ref, tensor_json(ref), status FROM safetensors_adapter('%3')",
    "SELECT layer FROM safetensors_tensors((SELECT safetensors_serialize("
    "'a.123456789012345678901.b', 'U8', '[1]', x'00')))",
    "SELECT code, message FROM safetensors_check(CAST(x'1300000000000000' || "
    "'{\"a\":{\"dtype\":0.1}}' AS BLOB))",
    "SELECT safetensors_pretty('0.1'), safetensors_pretty(1234.5, 'B')",
    "SELECT * FROM tensor_histogram('%w#s', '7', '-0.1', '0.3')",
    "SELECT safetensors_config('io'), safetensors_version()",
    "SELECT safetensors_serialize(name, 'BF16', shape, tensor_cast(ref, 'BF16')) "
    "FROM safetensors_tensors('%w') WHERE name IN ('s', 't')",
    "INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
    "VALUES ('%1', 'x', 'F16', NULL, tensor_exp(tensor_div('%w#f', 3)), 'replace')",
    "SELECT tensor_hash('%1#x')",
    "INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
    "SELECT '%1', name, 'F32', shape, tensor_cast(ref, 'F32'), 'replace' "
    "FROM safetensors_tensors('%w')",
    "INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode) "
    "SELECT '%2', name, dtype, shape, ref, 5000000, 'replace' FROM safetensors_tensors('%w')",
    "SELECT name, dtype, numel, nbytes FROM safetensors_tensors('%w')",
    "SELECT key FROM safetensors_metadata('%w')",
    "SELECT size, numel FROM safetensors_files('%w')",
    "SELECT severity, code, message FROM safetensors_check('%w')",
    "SELECT name, numel, status FROM safetensors_salvage('%w')",
    "SELECT *, mean_abs_diff, l2_a, l2_b, l2_diff FROM safetensors_diff('%w', '%1')",
    "SELECT count(*) FROM safetensors_help",
    "SELECT count(*) FROM safetensors_tensors('%2')",
};
enum { QUESTION_COUNT = sizeof questions / sizeof questions[0] };

/* The extension's names that no question has. */
static void check_names(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  sqlite3_prepare_v2(
      db, "SELECT name FROM pragma_function_list UNION SELECT name FROM pragma_module_list", -1,
      &statement, NULL);
  int count = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    bool found = strcmp(name, "safetensors") == 0; /* a named table: as safetensors_tensors */
    if (strncmp(name, "tensor_", 7) != 0 && strncmp(name, "safetensors", 11) != 0) continue;
    found = found || strcmp(name, "safetensors_write_sharded") == 0; /* nothing but an error */
    for (int i = 0; i < QUESTION_COUNT; i++) found = found || strstr(questions[i], name) != NULL;
    if (!found) printf("%s:\n", name);
    check(found, "a question has each function and table");
    count++;
  }
  sqlite3_finalize(statement);
  check(count > 30, "functions and tables are found");
}

static const char *place(char letter) {
  return letter == 'w' ? path : letter == '1' ? out : letter == '2' ? shards : adapter;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *question) {
  sqlite3_str *sql = sqlite3_str_new(db);
  for (const char *at = question; *at != '\0'; at++) {
    const char *name = *at != '%' ? NULL : place(at[1]);
    if (name == NULL) {
      sqlite3_str_appendchar(sql, 1, *at);
    } else {
      sqlite3_str_appendall(sql, name);
      at++;
    }
  }
  char *text = sqlite3_str_finish(sql);
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) {
    printf("FAILED: %s: %s\n", text, sqlite3_errmsg(db));
    failed++;
  }
  sqlite3_free(text);
  return statement;
}

/* ---- Environments ---- */

typedef struct Environment {
  const char *name;
  int rounding;  /* as <fenv.h> has it, or -1: as it is */
  bool flush;    /* results that are subnormal become 0 */
  bool zeros;    /* operands that are subnormal count as 0 */
  bool stops;    /* exceptions end the process */
  int precision; /* of x87: 1, 2 or 3 for 24, 53 and 64 bits; 0: as it is */
} Environment;

static const Environment environments[] = {
    {"flush to zero", -1, true, false, false, 0},
    {"subnormals are zero", -1, false, true, false, 0},
    {"both", -1, true, true, false, 0},
#ifdef FE_UPWARD
    {"upward", FE_UPWARD, false, false, false, 0},
#endif
#ifdef FE_DOWNWARD
    {"downward", FE_DOWNWARD, true, true, false, 0},
#endif
#ifdef FE_TOWARDZERO
    {"toward zero", FE_TOWARDZERO, false, false, false, 0},
#endif
    {"exceptions stop", -1, false, false, true, 0},
    {"x87 of 24 bits", -1, false, false, false, 1},
    {"x87 of 53 bits", -1, true, false, true, 2},
};
enum { ENVIRONMENT_COUNT = sizeof environments / sizeof environments[0] };

/* What of it can be set here, and be seen. */
typedef struct Controls {
  uint64_t control, more, flags;
} Controls;

static Controls controls(void) {
  Controls now = {0, 0, (uint64_t)fetestexcept(FE_ALL_EXCEPT)};
#if defined(X86)
  uint32_t mxcsr;
  uint16_t control, status;
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tfnstsw %2"
                   : "=m"(mxcsr), "=m"(control), "=m"(status));
  now.control = mxcsr & ~(uint32_t)2; /* "subnormal operand": SQLite's own look for a NaN sets it */
  now.more = control;
  now.flags |= (uint64_t)(status & 0x3f) << 32;
#elif defined(__aarch64__)
  __asm__ volatile("mrs %0, fpcr" : "=r"(now.control));
#else
  now.control = (uint64_t)fegetround();
#endif
  return now;
}

static void set(const Environment *environment) {
  feclearexcept(FE_ALL_EXCEPT);
  if (environment->rounding >= 0) fesetround(environment->rounding);
#if defined(X86)
  uint32_t mxcsr;
  uint16_t control;
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
  if (environment->flush) mxcsr |= 0x8000;
  if (environment->zeros) mxcsr |= 0x40;
  if (environment->stops) {
    mxcsr &= ~(uint32_t)0x1e80; /* as feenableexcept(FE_ALL_EXCEPT) does: "inexact" too */
    control = (uint16_t)(control & ~0x3d);
  }
  const uint16_t precisions[] = {0x300, 0, 0x200, 0x300};
  control = (uint16_t)((control & ~0x300) | precisions[environment->precision]);
  __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(control));
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  if (environment->flush || environment->zeros) control |= 1u << 24;
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
#endif
}

/* ---- Asking ---- */

/* Takes the row's values, of whatever type, to the text. */
static void append_row(sqlite3_str *text, sqlite3_stmt *statement) {
  for (int i = 0; i < sqlite3_column_count(statement); i++) {
    int type = sqlite3_column_type(statement, i);
    if (type == SQLITE_FLOAT) {
      double number = sqlite3_column_double(statement, i);
      uint64_t bits;
      memcpy(&bits, &number, sizeof bits);
      sqlite3_str_appendf(text, "r%llx|", (unsigned long long)bits);
    } else if (type == SQLITE_INTEGER) {
      sqlite3_str_appendf(text, "i%lld|", sqlite3_column_int64(statement, i));
    } else if (type == SQLITE_NULL) {
      sqlite3_str_appendall(text, "n|");
    } else {
      const unsigned char *bytes = sqlite3_column_blob(statement, i);
      for (int j = 0; j < sqlite3_column_bytes(statement, i); j++) {
        sqlite3_str_appendf(text, "%02x", bytes[j]);
      }
      sqlite3_str_appendchar(text, 1, '|');
    }
  }
}

/* The rows of a question as text, which the caller releases: each step of it, and nothing else, is
** taken in the environment (NULL: the default one). */
static char *ask(sqlite3 *db, const char *question, const Environment *environment) {
  sqlite3_stmt *statement = prepare(db, question);
  sqlite3_str *text = sqlite3_str_new(NULL);
  fenv_t usual;
  int code;
  sqlite3_str_appendall(text, "rows: ");
  fegetenv(&usual);
  do {
    if (environment != NULL) set(environment);
    Controls before = controls();
    code = sqlite3_step(statement);
    Controls after = controls();
    fesetenv(&usual);
    if (environment != NULL && memcmp(&before, &after, sizeof before) != 0) {
      printf("%s, %s: control %llx %llx, flags %llx, then %llx %llx, %llx\n", environment->name,
             question, (unsigned long long)before.control, (unsigned long long)before.more,
             (unsigned long long)before.flags, (unsigned long long)after.control,
             (unsigned long long)after.more, (unsigned long long)after.flags);
      check(false, "the host has its environment back");
    }
    if (code == SQLITE_ROW) append_row(text, statement);
  } while (code == SQLITE_ROW);
  if (code != SQLITE_DONE) {
    printf("%s: %s\n", question, sqlite3_errmsg(db));
    check(false, "a question is answered");
  }
  sqlite3_finalize(statement);
  return sqlite3_str_finish(text);
}

/* Another library of the system computes SHA-256, which not every system has. */
static bool has_digests(sqlite3 *db) {
  return sqlite3_exec(db, "SELECT tensor_sha256(x'00', 'U8')", NULL, NULL, NULL) == SQLITE_OK ||
         strstr(sqlite3_errmsg(db), "libcrypto") == NULL;
}

static void test_all(sqlite3 *db) {
  bool digests = has_digests(db);
  for (int i = 0; i < QUESTION_COUNT; i++) {
    if (!digests && strstr(questions[i], "sha256") != NULL) {
      printf("skipped: %s (no libcrypto)\n", questions[i]);
      continue;
    }
    char *expected = ask(db, questions[i], NULL);
    check(expected != NULL, questions[i]);
    for (int e = 0; e < ENVIRONMENT_COUNT; e++) {
      char *got = ask(db, questions[i], &environments[e]);
      bool same = got != NULL && expected != NULL && strcmp(got, expected) == 0;
      if (!same) printf("%s: %s\n", environments[e].name, questions[i]);
      check(same, "the environment changes no answer");
      sqlite3_free(got);
    }
    sqlite3_free(expected);
  }
}

/* What planning computes leaves no flag behind, either; SQLite's own planning does. */
static void test_planning(sqlite3 *db) {
  fenv_t usual;
  fegetenv(&usual);
  for (int e = 0; e < ENVIRONMENT_COUNT; e++) {
    if (environments[e].stops) continue; /* SQLite itself would be stopped */
    set(&environments[e]);
    Controls before = controls();
    sqlite3_finalize(prepare(db, questions[0]));
    Controls after = controls();
    fesetenv(&usual);
    check(((before.control ^ after.control) & ~(uint64_t)0x3f) == 0 && before.more == after.more,
          "planning gives the environment back");
  }
}

/* ---- Cost ---- */

enum { CALLS = 1000000, ROUNDS = 5 };

static void do_nothing(void) {
}

static double environment_cost(void) {
  void (*nothing)(void) = do_nothing;
  int64_t began = clock_monotonic();
  for (int i = 0; i < CALLS; i++) {
    FloatEnvironment host;
    float_environment_enter(&host);
    float_environment_hide(nothing);
    nothing();
    float_environment_leave(&host);
  }
  return (double)(clock_monotonic() - began) / CALLS;
}

static double call_cost(sqlite3 *db) {
  int64_t began = clock_monotonic();
  sqlite3_exec(db,
               "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) "
               "SELECT sum(tensor_item(x'0000803f00000040', 'F32', i % 2)) FROM n",
               NULL, NULL, NULL);
  return (double)(clock_monotonic() - began) / CALLS;
}

static int print_cost(void) {
  sqlite3 *db = new_connection();
  double call = INFINITY, environment = INFINITY;
  for (int i = 0; i < ROUNDS; i++) {
    call = fmin(call, call_cost(db));
    environment = fmin(environment, environment_cost());
  }
  printf("%.1f %.1f\n", call, environment);
  sqlite3_close(db);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--cost") == 0) return print_cost();
  make_directory();
  snprintf(path, sizeof path, "%s/in.safetensors", directory);
  snprintf(out, sizeof out, "%s/out.safetensors", directory);
  snprintf(shards, sizeof shards, "%s/all.safetensors.index.json", directory);
  snprintf(adapter, sizeof adapter, "%s/adapter", directory);
  write_file();
  write_adapter();
  sqlite3 *db = new_connection();
  check_names(db);
  sqlite3_exec(db, "PRAGMA threads = 0", NULL, NULL, NULL);
  test_all(db);
  sqlite3_exec(db, "PRAGMA threads = 4", NULL, NULL, NULL);
  test_all(db);
  test_planning(db);
  sqlite3_close(db);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  return system(command) != 0 || finish();
}
