/*
** Ranges of numbers for sets of rows: they never overlap, they stay while anything is open, and numbers run
** out with an error.
*/
#include "model/row_numbers.h"

#include "program.h"

enum { SETS = 100000 };

static RowNumbers *numbers;

/* The range of a set. -1 on error. */
static int64_t range(uint64_t set, uint64_t count) {
  static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* spreads them, as hashes are */
  int64_t first = -1;
  Error error = {0};
  RowKey key = {set * 3, set / 7 * odd}; /* several share the half that the table is ordered by */
  if (!row_numbers_range(numbers, key, count, &first, &error)) first = -1;
  error_clear(&error);
  return first;
}

static void test_sets(void) {
  static int64_t first[SETS];
  int64_t end = 0;
  bool apart = true, same = true;
  for (uint64_t set = 0; set < SETS; set++) {
    first[set] = range(set, set % 5); /* a set that is still empty may get rows */
    apart = apart && first[set] >= end;
    end = first[set] + (int64_t)(set % 5);
  }
  for (uint64_t set = SETS; set-- > 0;) same = same && range(set, set % 5) == first[set];
  check(apart, "ranges do not overlap");
  check(same, "a set keeps its range");
  check(range(4, 3) == first[4], "also when it has become smaller");
  int64_t grown = range(4, 1000);
  check(grown >= end && range(4, 1000) == grown && range(4, 4) == grown,
        "a set that has grown gets another");
  row_numbers_trim(numbers);
  check(range(5, 1) > grown, "what is forgotten is not given out again");
}

static void test_end(void) {
  int64_t most = range(SETS, (uint64_t)1 << 62);
  check(most > 0, "more than half of all numbers in one range");
  check(range(SETS + 1, (uint64_t)1 << 62) == -1, "no more than there are");
  check(range(SETS + 1, (uint64_t)1 << 63) == -1 && range(SETS + 1, UINT64_MAX) == -1,
        "no more than ever were");
  check(range(SETS + 1, (uint64_t)1 << 61) > most && range(SETS, 1) == most, "what is left serves");
  row_numbers_trim(numbers);
  check(range(SETS + 1, (uint64_t)1 << 62) == 0, "they begin again when nothing is open");
}

int main(void) {
  numbers = row_numbers_new();
  test_sets();
  test_end();
  row_numbers_free(numbers);
  return finish();
}
