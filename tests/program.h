/*
** What the C tests share that run SQL in a process of their own: counting, a folder, files of a
** simple kind, a connection, and what the process has open.
*/
#ifndef SAFETENSORS_TESTS_PROGRAM_H
#define SAFETENSORS_TESTS_PROGRAM_H

#include <dirent.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "safetensors.h"

/* A query of one row and column; %Q in the SQL is a file's path. */
typedef struct Question {
  const char *sql, *answer;
} Question;

static atomic_int passed, failed;
static char folder[] = "/tmp/safetensors.XXXXXX";

static inline void check(int good, const char *what) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("FAILED: %s\n", what);
  }
}

/* Prints the counts. Returns main()'s result. */
static inline int finish(void) {
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}

static inline void stop(const char *what) {
  perror(what);
  exit(1);
}

static inline void make_folder(void) {
  if (mkdtemp(folder) == NULL) stop(folder);
}

/* A connection with the extension; `flags` are sqlite3_open_v2()'s. */
static inline sqlite3 *connect_with(int flags) {
  sqlite3 *db = NULL;
  char *message = NULL;
  if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | flags, NULL) != SQLITE_OK ||
      sqlite3_safetensors_init(db, &message, NULL) != SQLITE_OK) {
    printf("cannot open: %s\n", message);
    exit(1);
  }
  return db;
}

static inline sqlite3 *connect(void) {
  return connect_with(0);
}

/* Tensors of `size` bytes each, U8, named a, b, ..., filled with `fill`, fill + 1, ...; sparse when
** `fill` is 0. */
static inline void write_tensors(const char *name, int count, long long size, int fill) {
  char header[1024] = "{";
  size_t length = 1;
  for (int i = 0; i < count; i++) {
    length += (size_t)snprintf(header + length, sizeof header - length,
                               "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[%lld],\"data_offsets\":[%lld,"
                               "%lld]}",
                               i > 0 ? "," : "", 'a' + i, size, i * size, (i + 1) * size);
  }
  header[length++] = '}';
  FILE *file = fopen(name, "wb");
  if (file == NULL) stop(name);
  for (int i = 0; i < 8; i++) fputc((int)((uint64_t)length >> (8 * i) & 0xff), file);
  fwrite(header, 1, length, file);
  if (fill == 0) {
    fflush(file);
    if (ftruncate(fileno(file), (off_t)(8 + (long long)length + count * size)) != 0) stop(name);
  }
  for (int i = 0; i < count && fill != 0; i++) {
    for (long long j = 0; j < size; j++) fputc(fill + i, file);
  }
  if (fclose(file) != 0) stop(name);
}

/* Whether a file of which the path has this in it is mapped. */
static inline bool is_mapped(const char *part) {
  char line[8192];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) stop("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) found = found || strstr(line, part) != NULL;
  fclose(maps);
  return found;
}

static inline int open_descriptors(void) {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) stop("/proc/self/fd");
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

#endif
