#include "base/sort.h"

#include <string.h>

#include "base/memory.h"

typedef struct Sort {
  size_t size;
  int (*compare)(const void *, const void *);
  Cancel *cancel;
  const char *subject;
  Error *error;
  uint64_t asked; /* comparisons so far */
  char *copy;     /* room for half of the rows */
} Sort;

static bool sort_go_on(Sort *sort) {
  return cancel_go_on_row(sort->cancel, sort->asked++, sort->subject, sort->error);
}

static bool sort_is_sorted(Sort *sort, const char *rows, uint64_t count, bool *sorted) {
  *sorted = true;
  for (uint64_t i = 1; i < count && *sorted; i++) {
    if (!sort_go_on(sort)) return false;
    *sorted = sort->compare(rows + (i - 1) * sort->size, rows + i * sort->size) <= 0;
  }
  return true;
}

/* Merges two sorted runs, the second of which begins at row number `middle`. If they are in order as
** they stand, as in rows that are nearly sorted, nothing moves. */
static bool sort_merge(Sort *sort, char *rows, uint64_t middle, uint64_t count) {
  size_t size = sort->size, left_size = (size_t)middle * size;
  const char *left = sort->copy, *left_end = left + left_size;
  const char *right = rows + left_size, *right_end = rows + count * size;
  if (sort->compare(right - size, right) <= 0) return true;
  memcpy(sort->copy, rows, left_size);
  for (char *to = rows; left < left_end; to += size) {
    if (right == right_end) {
      memcpy(to, left, (size_t)(left_end - left));
      break;
    }
    if (!sort_go_on(sort)) return false;
    const char **least = sort->compare(left, right) > 0 ? &right : &left;
    memcpy(to, *least, size);
    *least += size;
  }
  return true;
}

static bool sort_range(Sort *sort, char *rows, uint64_t count) {
  uint64_t middle = count / 2;
  return count < 2 || (sort_go_on(sort) && sort_range(sort, rows, middle) &&
                       sort_range(sort, rows + middle * sort->size, count - middle) &&
                       sort_merge(sort, rows, middle, count));
}

bool sort_rows(void *rows, uint64_t count, size_t size, int (*compare)(const void *, const void *),
               Cancel *cancel, const char *subject, Error *error) {
  Sort sort = {
      .size = size, .compare = compare, .cancel = cancel, .subject = subject, .error = error};
  bool sorted;
  if (count < 2) return true;
  if (!sort_is_sorted(&sort, rows, count, &sorted)) return false;
  if (sorted) return true;
  sort.copy =
      memory_alloc(count / 2 * size); /* cannot overflow, because the rows take as many bytes */
  if (sort.copy == NULL) return error_memory(error);
  bool good = sort_range(&sort, rows, count);
  memory_free(sort.copy);
  return good;
}

bool sort_owners(void *rows, uint64_t count, size_t size,
                 int (*compare)(const void *, const void *), Cancel *cancel, const char *subject,
                 Error *error) {
  if (count < 2) return true;
  void *sorted = memory_alloc(count * size); /* cannot overflow, as above */
  if (sorted == NULL) return error_memory(error);
  memcpy(sorted, rows, (size_t)(count * size));
  bool good = sort_rows(sorted, count, size, compare, cancel, subject, error);
  if (good) memcpy(rows, sorted, (size_t)(count * size));
  memory_free(sorted);
  return good;
}
