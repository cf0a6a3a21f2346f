/*
** Threads with little stack: each statement here needs at most 48 kB of one, so that it works on a
** thread of 64 kB, as some hosts have. The stack is painted before and looked at afterwards.
*/
#include <pthread.h>
#include <sys/mman.h>

#include "program.h"

enum { STACK = 64 << 10, MOST = 48 << 10, PAINT = 0x5a };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* A step within itself so many times, of which e is the one before. */
#define DEEP(step, times)                                                                          \
  "WITH RECURSIVE n(i, e) AS (SELECT 0, tensor_full('[3,30000]', 2) UNION ALL SELECT i + 1, " step \
  " FROM n WHERE i < " times                                                                       \
  ") SELECT s.*, tensor_item(e, 0, 0) FROM n, tensor_stats(e) s WHERE i = " times

#define FULL(shape) "'{\"op\":\"full\",\"shape\":" shape ",\"value\":0.5}'"

/* %w is the directory. */
static const char *const statements[] = {
    "SELECT *, ref, data, pattern, layer, rank FROM safetensors_tensors('%w/a.safetensors')",
    "SELECT * FROM safetensors_metadata('%w/*.safetensors')",
    "SELECT * FROM safetensors_files('%w/*')",
    "SELECT * FROM safetensors_check('%w/a.safetensors')",
    "SELECT * FROM safetensors_help",
    "SELECT * FROM safetensors_diff('%w/a.safetensors', '%w/b.safetensors')",
    "SELECT * FROM tensor_stats('%w/a.safetensors#a'), json_each('[1]')",
    "SELECT * FROM tensor_stats('%w/a.safetensors?slice=::3#a')",
    "SELECT * FROM tensor_stats(zeroblob(80000), 'F32')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'F32')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'F64')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'F16')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'BF16')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'I64')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'C64')",
    "SELECT * FROM tensor_stats(randomblob(80001), 'F6_E2M3')",
    "SELECT * FROM tensor_stats(randomblob(80000), 'F8_E8M0')",
    "SELECT * FROM tensor_histogram(randomblob(80000), 'F32', 1000)",
    "SELECT * FROM tensor_histogram(randomblob(80000), 'F64', 10, -1, 1)",
    "SELECT * FROM tensor_histogram(randomblob(80000), 'F4')",
    "SELECT * FROM tensor_nearest(randomblob(80000), 'F32', '[200,100]', randomblob(400))",
    "SELECT * FROM tensor_nearest(randomblob(80000), 'F64', '[2,5000]', randomblob(20000))",
    "SELECT *, left FROM tensor_svd(randomblob(80000), 'I16', '[400,100]', 5)",
    "SELECT value FROM tensor_svd(randomblob(800000), 'I8', '[1000,800]', 2)",
    "SELECT * FROM tensor_compare(randomblob(80000), 'F64', randomblob(40000), 'F32')",
    "SELECT * FROM tensor_compare(randomblob(80000), 'C64', randomblob(80000), 'C64')",
    "SELECT * FROM tensor_compare(randomblob(80000), 'I64', randomblob(7500), 'F6_E3M2', "
    "'[10000]')",
    "SELECT * FROM tensor_compare('%w/a.safetensors#a', '%w/b.safetensors#a')",
    "SELECT tensor_allclose(randomblob(80000), 'F64', randomblob(40000), 'F32')",
    "SELECT tensor_equal('%w/a.safetensors#a', '%w/b.safetensors#a')",
    "SELECT tensor_cosine(randomblob(80000), 'F32', randomblob(80000), 'F32')",
    "SELECT tensor_concat(0, json_group_array(tensor_add('%w/a.safetensors#a', value))), "
    "tensors_stack(tensor_take('%w/a.safetensors#a', '[1,2,3]', 0), value) "
    "FROM json_each('[1,2,3,4]')",
    "WITH RECURSIVE n(t, d) AS (VALUES (tensor_full('[2]', 1), 1) UNION ALL "
    "SELECT tensor_add(t, 0.5), d + 1 FROM n WHERE d < 200) "
    "SELECT tensor_dtype(t) FROM n WHERE d = 200",
    "SELECT tensor_hash(randomblob(80000), 'F32'), tensor_sparkline(randomblob(80000), 'F32')",
    "SELECT tensor_quantile(randomblob(80000), 'C64', 0.5), tensor_quantile(randomblob(80000), "
    "'F4', 0.5)",
    "SELECT tensor_json(randomblob(80000), 'F64'), tensor_json('%w/a.safetensors#a')",
    "SELECT tensor_cast(randomblob(80000), 'F64', 'F4'), tensor_cast(randomblob(80000), 'C64', "
    "'I8')",
    "SELECT tensor_cast('%w/a.safetensors?slice=::3#a', 'BF16')",
    "SELECT count(value) FROM tensor_elements(randomblob(80000), 'F32', '::7')",
    "SELECT i, data, ref FROM tensor_rows('%w/a.safetensors#a')",
    "SELECT safetensors_serialize(name, 'F16', '[2000]', tensor_cast(randomblob(8000), 'F32', "
    "'F16')) "
    "FROM safetensors_tensors('%w/a.safetensors')",
    DEEP("tensor_neg(e)", "199"),
    DEEP("tensor_convert(tensor_neg(e), 'BF16')", "99"),
    DEEP("tensor_where(" FULL("[3,30000]") ", e, 1)", "199"),
    DEEP("tensor_take(e, '[2,0,1]', 0)", "199"),
    DEEP("tensor_slice(tensor_concat(1, e, " FULL("[3,1]") "), ':, :30000')", "99"),
    DEEP("tensor_matmul(" FULL("[3,3]") ", e)", "50"),
    DEEP("tensor_norm(tensor_reshape(e, '[1,-1]'), 0)", "99"),
};

static unsigned char *stack;
static sqlite3 *db;
static const char *failure;

static void *run(void *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) failure = message;
  return NULL;
}

/* How much of the stack a statement has used. */
static size_t stack_of(char *sql) {
  pthread_attr_t attributes;
  pthread_t thread = 0;
  size_t untouched = 0;
  memset(stack, PAINT, STACK);
  failure = NULL;
  int code = pthread_attr_init(&attributes);
  if (code == 0) code = pthread_attr_setstack(&attributes, stack, STACK);
  if (code != 0 || pthread_create(&thread, &attributes, run, sql) != 0) {
    stop("a thread with its stack");
  }
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  while (untouched < STACK && stack[untouched] == PAINT) untouched++;
  return STACK - untouched;
}

int main(void) {
#ifdef SANITIZED
  printf("skipped: a sanitizer's frames are larger\n");
#else
  char path[64], *sql;
  size_t most = 0;
  make_directory();
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%c.safetensors", directory, 'a' + i);
    write_tensors(path, 3, 100000, 1 + i);
  }
  stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) stop("stack");
  db = new_connection();
  for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    for (const char *at = statements[i]; *at != '\0'; at++) {
      bool is_directory = at[0] == '%' && at[1] == 'w';
      if (is_directory) sqlite3_str_appendall(text, directory);
      if (is_directory) at++;
      if (!is_directory) sqlite3_str_appendchar(text, 1, *at);
    }
    sql = sqlite3_str_finish(text);
    size_t used = stack_of(sql);
    if (failure != NULL || used > MOST) {
      printf("%s: %zu bytes, %s\n", sql, used, failure != NULL ? failure : "no error");
    }
    check(failure == NULL && used <= MOST, "a statement within 48 kB of stack");
    if (used > most) most = used;
    sqlite3_free(sql);
  }
  printf("at most %zu bytes of stack\n", most);
  sqlite3_close(db);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  if (system(command) != 0) return 1;
#endif
  return finish();
}
