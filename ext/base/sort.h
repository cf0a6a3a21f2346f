/* Sorting that can be cancelled, for arrays whose length depends on a file. */
#ifndef SAFETENSORS_BASE_SORT_H
#define SAFETENSORS_BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"

/* Sorts `count` rows of `size` bytes. Like mergesort, it keeps the order of equal rows, takes
** one pass over rows that are in order already, and needs memory for half of them. When memory runs
** out or the work is cancelled, it returns false with an error; the rows are then in any order,
** and some may occur more often than others. */
bool sort_rows(void *rows, uint64_t count, size_t size, int (*compare)(const void *, const void *),
               Cancel *cancel, const char *subject, Error *error);

/* The same for rows that own memory: when it returns false, they are as they were. */
bool sort_owners(void *rows, uint64_t count, size_t size,
                 int (*compare)(const void *, const void *), Cancel *cancel, const char *subject,
                 Error *error);

#endif
