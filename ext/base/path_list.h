/* A list of paths, and the order in which people count: "-2-" before "-10-". */
#ifndef SAFETENSORS_BASE_PATH_LIST_H
#define SAFETENSORS_BASE_PATH_LIST_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as {0}; path_list_clear() releases it. */
typedef struct PathList {
  char **paths; /* each NUL-terminated, and the list's own */
  uint32_t count, capacity;
} PathList;

/* Appends a copy of `folder`/`name`, or of `name` alone when `folder` is NULL. False when memory
** runs out. */
bool path_list_add(PathList *list, const char *folder, const char *name);

/* Sorts by natural_compare(). */
void path_list_sort(PathList *list);

void path_list_clear(PathList *list);

/* Compares byte by byte, but runs of digits as numbers; equal numbers with more leading zeros come
** later. A total order: 0 only for equal texts. */
int natural_compare(const char *a, const char *b);

/* The folder that a file is in: "" for one without a slash. memory_free() releases it; NULL when
** memory runs out. */
char *path_folder(const char *path);

/* "folder/name", without a doubled slash; NULL when memory runs out. Released by memory_free(). */
char *path_join(const char *folder, const char *name);

#endif
