/* A list of paths, and the natural order, in which people count: "-2-" comes before "-10-". */
#ifndef SAFETENSORS_BASE_PATH_LIST_H
#define SAFETENSORS_BASE_PATH_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"

/* Starts as {0}; path_list_clear() releases it. */
typedef struct PathList {
  char **paths; /* each is NUL-terminated and belongs to the list */
  uint32_t count, capacity;
} PathList;

/* Appends a copy of `directory`/`name`, or of `name` alone when `directory` is NULL. False when
** memory runs out. */
bool path_list_add(PathList *list, const char *directory, const char *name);

/* Sorts by natural_compare() and keeps each path once. When memory runs out or the work is
** cancelled, it returns false with an error, and the list is unchanged. `subject` is what the
** error is about. */
bool path_list_order(PathList *list, Cancel *cancel, const char *subject, Error *error);

void path_list_clear(PathList *list);

/* Compares byte by byte, except that runs of digits are compared as numbers; of equal numbers
** the one with more leading zeros comes later. It is a total order: only equal texts give 0. */
int natural_compare(const char *a, const char *b);

#endif
