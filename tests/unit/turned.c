/*
** Views whose rows lie across a tensor, read by panels: each element against the one that the view says,
** for all orders of the dimensions of some shapes, all sizes of elements, and reads that begin anywhere.
*/
#include "expression/turned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 4, MOST = 3 << 20, PANEL = 8 << 20 };

static int passed, failed;
static unsigned char data[(size_t)MOST * 8];

static uint64_t random_below(uint64_t end) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % end;
}

/* Whether `count` elements from `begin` on are those of the view. */
static bool reads(Turned *turned, const View *view, unsigned size, uint64_t begin, uint64_t count) {
  Error error = {0};
  for (uint64_t done = 0, got; done < count; done += got) {
    const unsigned char *found =
        turned_elements(turned, begin + done, count - done, &got, NULL, &error);
    if (found == NULL || got == 0 || got > count - done) return false;
    for (uint64_t i = 0; i < got; i++) {
      const unsigned char *expected = data + view_element(view, begin + done + i) * size;
      if (memcmp(found + i * size, expected, size) != 0) return false;
    }
  }
  return true;
}

static void check(const uint64_t *shape, const uint64_t *stride, uint32_t rank, uint64_t numel,
                  unsigned size, bool is_turned) {
  uint64_t both[2 * MAX_RANK];
  memcpy(both, shape, rank * sizeof *shape);
  memcpy(both + rank, stride, rank * sizeof *stride);
  View view = {.rank = rank, .shape = both, .stride = both + rank, .numel = numel};
  Source source = {.memory = data, .nbytes = numel * size};
  Error error = {0};
  Reader reader;
  Runs runs;
  Turned turned = {0};
  if (!reader_open(&reader, &source, &error) || !runs_open(&runs, &view)) abort();
  bool good = turned_open(&turned, &runs, 8 * size, PANEL, &reader) == is_turned;
  good = good && (!is_turned || reads(&turned, &view, size, 0, numel));
  for (int i = 0; good && is_turned && i < 20; i++) {
    uint64_t begin = random_below(numel), most = numel - begin < 5000 ? numel - begin : 5000;
    good = reads(&turned, &view, size, begin, 1 + random_below(most));
  }
  turned_close(&turned);
  runs_close(&runs);
  reader_close(&reader);
  passed += good;
  failed += !good;
  if (good) return;
  printf("FAIL elements of %u bytes, shape", size);
  for (uint32_t d = 0; d < rank; d++) printf(" %llu", (unsigned long long)shape[d]);
  printf("\n");
}

/* All orders of the dimensions of a tensor; `order` are those that are chosen so far. */
static void check_orders(const uint64_t *shape, uint32_t rank, unsigned size, unsigned chosen,
                         uint32_t *order, uint32_t count) {
  for (uint32_t d = 0; d < rank && count < rank; d++) {
    if ((chosen >> d & 1) != 0) continue;
    order[count] = d;
    check_orders(shape, rank, size, chosen | 1u << d, order, count + 1);
  }
  if (count < rank) return;
  uint64_t strides[MAX_RANK], new_shape[MAX_RANK], new_stride[MAX_RANK], numel = 1;
  for (uint32_t d = rank; d-- > 0; numel *= shape[d]) strides[d] = numel;
  for (uint32_t d = 0; d < rank; d++) {
    new_shape[d] = shape[order[d]];
    new_stride[d] = strides[order[d]];
  }
  /* Unless the last dimension that is longer than 1 is still the one whose elements lie together. */
  uint32_t last = rank, most = rank;
  while (new_shape[last - 1] == 1) last--;
  while (shape[most - 1] == 1) most--;
  check(new_shape, new_stride, rank, numel, size, order[last - 1] != most - 1);
}

int main(void) {
  static const struct {
    uint32_t rank;
    uint64_t shape[MAX_RANK];
  } shapes[] = {{2, {2, 3}},       {2, {300, 7000}}, {2, {33000, 70}},   {3, {5, 1, 700}},
                {3, {50, 60, 70}}, {3, {1, 65, 33}}, {4, {3, 4, 5, 600}}};
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)random_below(256);
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
    for (unsigned size = 1; size <= 8; size *= 2) {
      uint32_t order[MAX_RANK];
      check_orders(shapes[s].shape, shapes[s].rank, size, 0, order, 0);
    }
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
