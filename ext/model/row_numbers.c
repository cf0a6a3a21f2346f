#include "model/row_numbers.h"

#include "base/memory.h"

enum { ROW_NUMBERS_FIRST_CAPACITY = 64 };

/* How many ranges, of 32 bytes each, outlive the cursors; and the number from which on numbering
** starts again at 0. */
static const uint64_t row_numbers_max_kept = 65536, row_numbers_max_numbers = (uint64_t)1 << 62;

typedef struct RowNumbersRange {
  RowKey key;
  uint64_t first, count; /* a count of 0 marks a free slot */
} RowNumbersRange;

struct RowNumbers {
  uint64_t seed;
  uint64_t next;           /* the first number that is not in use */
  RowNumbersRange *ranges; /* a hash table of `capacity` slots, which is a power of 2 */
  uint64_t capacity, used;
};

RowNumbers *row_numbers_new(void) {
  RowNumbers *numbers = memory_zeroed(1, sizeof *numbers);
  if (numbers != NULL) numbers->seed = memory_random_seed();
  return numbers;
}

static void row_numbers_forget_ranges(RowNumbers *numbers) {
  memory_free(numbers->ranges);
  numbers->ranges = NULL;
  numbers->capacity = numbers->used = 0;
}

void row_numbers_free(RowNumbers *numbers) {
  if (numbers == NULL) return;
  row_numbers_forget_ranges(numbers);
  memory_free(numbers);
}

uint64_t row_numbers_seed(const RowNumbers *numbers) {
  return numbers->seed;
}

void row_numbers_trim(RowNumbers *numbers) {
  if (numbers->used > row_numbers_max_kept || numbers->next > row_numbers_max_numbers)
    row_numbers_forget_ranges(numbers);
  if (numbers->next > row_numbers_max_numbers) numbers->next = 0;
}

/* The slot of a key, or the free slot where it belongs. There always is a free one. */
static RowNumbersRange *row_numbers_find_slot(RowNumbersRange *ranges, uint64_t capacity,
                                              RowKey key) {
  for (uint64_t at = key.low & (capacity - 1);; at = (at + 1) & (capacity - 1)) {
    RowNumbersRange *range = &ranges[at];
    bool same = range->key.high == key.high && range->key.low == key.low;
    if (range->count == 0 || same) return range;
  }
}

/* Makes room for another range. A third of the slots stays free. */
static bool row_numbers_reserve(RowNumbers *numbers) {
  if (numbers->used < numbers->capacity - numbers->capacity / 3) return true;
  uint64_t capacity = numbers->capacity == 0 ? ROW_NUMBERS_FIRST_CAPACITY : numbers->capacity * 2;
  RowNumbersRange *ranges = memory_zeroed(capacity, sizeof *ranges);
  if (ranges == NULL) return false;
  for (uint64_t i = 0; i < numbers->capacity; i++) {
    const RowNumbersRange *range = &numbers->ranges[i];
    if (range->count > 0) *row_numbers_find_slot(ranges, capacity, range->key) = *range;
  }
  memory_free(numbers->ranges);
  numbers->ranges = ranges;
  numbers->capacity = capacity;
  return true;
}

bool row_numbers_range(RowNumbers *numbers, RowKey key, uint64_t count, int64_t *first,
                       Error *error) {
  if (!row_numbers_reserve(numbers)) return error_memory(error);
  RowNumbersRange *range = row_numbers_find_slot(numbers->ranges, numbers->capacity, key);
  if (count == 0) count = 1;
  if (range->count < count) {
    if (count > INT64_MAX - numbers->next) {
      return error_raise(error, ERROR_ARGUMENT, "rowid",
                         "expected fewer than 2^63 rows in a statement that distinguishes rows by "
                         "rowid, as OR and FULL JOIN may, found more");
    }
    numbers->used += range->count == 0;
    *range = (RowNumbersRange){.key = key, .first = numbers->next, .count = count};
    numbers->next += count;
  }
  *first = (int64_t)range->first;
  return true;
}
