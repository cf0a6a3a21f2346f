/*
** A model in shards is replaced just when its shard is to be opened: the index is read again, and what it
** names by then is answered. A statement that has answered from the old model does not go on with the
** new one.
*/
#include <dlfcn.h>
#include <sys/stat.h>

#include "program.h"
#include "scratch.h"

#define INDEX "model.safetensors.index.json"

static char index_path[4096];

/* ---- Whole models ---- */

static void write_index(const char *name, const char *first, const char *second) {
  FILE *file = fopen(in_directory(name), "w");
  if (file == NULL) stop(name);
  fprintf(file, "{\"metadata\":{},\"weight_map\":{\"a\":\"%s\",\"b\":\"%s\"}}", first, second);
  if (fclose(file) != 0) stop(name);
}

/* A shard with one tensor, a or b, of two bytes. */
static void write_shard(const char *name, char tensor, char fill) {
  char header[128];
  int length = snprintf(header, sizeof header,
                        "{\"%c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", tensor);
  FILE *file = fopen(in_directory(name), "w");
  if (file == NULL) stop(name);
  for (int i = 0; i < 8; i++) fputc(i == 0 ? length : 0, file);
  fprintf(file, "%s%c%c", header, fill, fill);
  if (fclose(file) != 0) stop(name);
}

static void write_old(void) {
  write_shard("model-00001-of-00002.safetensors", 'a', 'x');
  write_shard("model-00002-of-00002.safetensors", 'b', 'x');
  write_index(INDEX, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
}

static void remove_all(void) {
  static const char *const names[] = {
      "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      "model-r2-00001-of-00002.safetensors", "model-r2-00002-of-00002.safetensors", INDEX};
  for (int i = 0; i < 5; i++) unlink(in_directory(names[i]));
}

static void replace(void) {
  write_shard("model-r2-00001-of-00002.safetensors", 'a', 'y');
  write_shard("model-r2-00002-of-00002.safetensors", 'b', 'y');
  write_index("new", "model-r2-00001-of-00002.safetensors", "model-r2-00002-of-00002.safetensors");
  if (rename(in_directory("new"), index_path) != 0) stop("rename");
  unlink(in_directory("model-00001-of-00002.safetensors"));
  unlink(in_directory("model-00002-of-00002.safetensors"));
}

static void lose_a_shard(void) {
  unlink(in_directory("model-00002-of-00002.safetensors"));
}

/* ---- When that happens ---- */

static const char *due; /* when a path that ends so is looked at */
static void (*event)(void);

int stat(const char *restrict path, struct stat *restrict out) {
  static int (*function)(const char *, struct stat *);
  if (function == NULL) {
    void *found = dlsym(RTLD_NEXT, "stat64");
    if (found == NULL) found = dlsym(RTLD_NEXT, "stat");
    memcpy(&function, &found, sizeof found);
  }
  size_t length = strlen(path), end = due != NULL ? strlen(due) : 0;
  if (due != NULL && length >= end && strcmp(path + length - end, due) == 0) {
    due = NULL;
    event();
  }
  return function(path, out);
}

/* The answer, or the message. */
static const char *ask(sqlite3 *db, const char *sql) {
  static char answer[4096];
  sqlite3_stmt *statement;
  char *text = sqlite3_mprintf(sql, directory, directory);
  if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) stop(sqlite3_errmsg(db));
  bool row = sqlite3_step(statement) == SQLITE_ROW;
  const char *value = row ? (const char *)sqlite3_column_text(statement, 0) : sqlite3_errmsg(db);
  snprintf(answer, sizeof answer, "%s", value != NULL ? value : "NULL");
  sqlite3_finalize(statement);
  sqlite3_free(text);
  return answer;
}

static void check_answer(const char *sql, const char *when, void (*what)(void), const char *right) {
  char message[8192];
  write_old();
  sqlite3 *db = new_connection();
  due = when;
  event = what;
  const char *answer = ask(db, sql);
  snprintf(message, sizeof message, "%s: expected %s, found %s", sql, right, answer);
  check(strstr(answer, right) != NULL && due == NULL, message);
  sqlite3_close(db);
  remove_all();
}

int main(void) {
  make_directory();
  snprintf(index_path, sizeof index_path, "%s/" INDEX, directory);
  check_answer("SELECT tensor_data('%s/" INDEX "#b')", "2-of-00002.safetensors", replace, "yy");
  check_answer("SELECT tensor_data('%s#b')", "2-of-00002.safetensors", replace, "yy");
  check_answer("SELECT group_concat(data) FROM safetensors_tensors('%s')", "2-of-00002.safetensors",
               replace, "yy,yy");
  check_answer("SELECT tensor_data('%s#a') || tensor_data('%s#b')", "2-of-00002.safetensors",
               replace, "run the statement again");
  check_answer("SELECT tensor_data('%s#b')", "2-of-00002.safetensors", lose_a_shard,
               "no such file");
  check(sqlite3_memory_used() == 0, "memory left");
  rmdir(directory);
  return finish();
}
