#include "base/path_list.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"

bool path_list_add(PathList *list, const char *directory, const char *name) {
  if (list->count == list->capacity) {
    uint32_t capacity = list->capacity + list->capacity / 2 + 16;
    char **paths = memory_resize(list->paths, capacity, sizeof *paths);
    if (paths == NULL) return false;
    list->paths = paths;
    list->capacity = capacity;
  }
  char *path =
      directory != NULL ? path_join(directory, name) : memory_copy_text(name, strlen(name));
  if (path == NULL) return false;
  list->paths[list->count++] = path;
  return true;
}

void path_list_clear(PathList *list) {
  for (uint32_t i = 0; i < list->count; i++) memory_free(list->paths[i]);
  memory_free(list->paths);
  *list = (PathList){0};
}

static bool path_list_is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

/* Compares the numbers that start at *a and *b, and moves past them. */
static int path_list_compare_numbers(const char **a, const char **b) {
  while (**a == '0') ++*a;
  while (**b == '0') ++*b;
  size_t a_digits = 0, b_digits = 0;
  while (path_list_is_digit((*a)[a_digits])) a_digits++;
  while (path_list_is_digit((*b)[b_digits])) b_digits++;
  if (a_digits != b_digits) return a_digits < b_digits ? -1 : 1;
  int order = memcmp(*a, *b, a_digits);
  *a += a_digits;
  *b += b_digits;
  return order;
}

int natural_compare(const char *a, const char *b) {
  const char *whole_a = a, *whole_b = b;
  while (*a != '\0' && *b != '\0') {
    if (path_list_is_digit(*a) && path_list_is_digit(*b)) {
      int order = path_list_compare_numbers(&a, &b);
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

static int path_list_compare_paths(const void *a, const void *b) {
  return natural_compare(*(char *const *)a, *(char *const *)b);
}

bool path_list_order(PathList *list, Cancel *cancel, const char *subject, Error *error) {
  if (list->count < 2) return true;
  char **sorted = memory_alloc((uint64_t)list->count * sizeof *sorted);
  if (sorted == NULL) return error_memory(error);
  memcpy(sorted, list->paths, list->count * sizeof *sorted);
  if (!sort_rows(sorted, list->count, sizeof *sorted, path_list_compare_paths, cancel, subject,
                 error)) {
    memory_free(sorted);
    return false;
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < list->count; i++) {
    if (kept > 0 && strcmp(sorted[kept - 1], sorted[i]) == 0) {
      memory_free(sorted[i]);
    } else {
      sorted[kept++] = sorted[i];
    }
  }
  memory_free(list->paths);
  *list = (PathList){.paths = sorted, .count = kept, .capacity = list->count};
  return true;
}
