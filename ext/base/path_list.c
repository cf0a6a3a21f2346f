#include "base/path_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"

char *path_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return memory_copy_text("", 0);
  return memory_copy_text(path, slash == path ? 1 : (uint64_t)(slash - path));
}

char *path_join(const char *folder, const char *name) {
  size_t folder_length = strlen(folder);
  bool slash = folder_length > 0 && folder[folder_length - 1] != '/';
  return sqlite3_mprintf("%s%s%s", folder, slash ? "/" : "", name);
}

bool path_list_add(PathList *list, const char *folder, const char *name) {
  if (list->count == list->capacity) {
    uint32_t capacity = list->capacity + list->capacity / 2 + 16;
    char **paths = memory_resize(list->paths, capacity, sizeof *paths);
    if (paths == NULL) return false;
    list->paths = paths;
    list->capacity = capacity;
  }
  char *path = folder != NULL ? path_join(folder, name) : memory_copy_text(name, strlen(name));
  if (path == NULL) return false;
  list->paths[list->count++] = path;
  return true;
}

void path_list_clear(PathList *list) {
  for (uint32_t i = 0; i < list->count; i++) memory_free(list->paths[i]);
  memory_free(list->paths);
  *list = (PathList){0};
}

static bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

/* Compares the numbers that start at *a and *b, and moves past them. */
static int compare_numbers(const char **a, const char **b) {
  while (**a == '0') ++*a;
  while (**b == '0') ++*b;
  size_t a_digits = 0, b_digits = 0;
  while (is_digit((*a)[a_digits])) a_digits++;
  while (is_digit((*b)[b_digits])) b_digits++;
  if (a_digits != b_digits) return a_digits < b_digits ? -1 : 1;
  int order = memcmp(*a, *b, a_digits);
  *a += a_digits;
  *b += b_digits;
  return order;
}

int natural_compare(const char *a, const char *b) {
  const char *whole_a = a, *whole_b = b;
  while (*a != '\0' && *b != '\0') {
    if (is_digit(*a) && is_digit(*b)) {
      int order = compare_numbers(&a, &b);
      if (order != 0) return order;
    } else if (*a != *b) {
      return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    } else {
      a++;
      b++;
    }
  }
  if (*a != *b) return *a == '\0' ? -1 : 1;
  return strcmp(whole_a, whole_b); /* 01 and 1 */
}

static int compare_paths(const void *a, const void *b) {
  return natural_compare(*(char *const *)a, *(char *const *)b);
}

void path_list_sort(PathList *list) {
  if (list->count > 1) qsort(list->paths, list->count, sizeof *list->paths, compare_paths);
}
