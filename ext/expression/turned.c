#include "expression/turned.h"

#include <string.h>

#include "base/memory.h"

enum {
  TURNED_PIECE_MAX = 4096, /* bytes */
  TURNED_STRIP = 32,       /* pieces that are put in order together: a line of the cache, or more */
  TURNED_LINE = 64,
  TURNED_NEAR = 16 << 10, /* pieces farther apart than this many bytes are read without the bytes
                          ** between them: copying those takes as long as a call of the system */
  TURNED_FEW = 64,        /* fewer elements are read one by one */
  TURNED_ASK = 512        /* pieces, each of which may need a call of the system */
};

bool turned_open(Turned *turned, const Runs *runs, unsigned bits, uint64_t most, Reader *reader) {
  uint64_t size = bits / 8, inner = runs->count, axis = runs->walked_count;
  if (bits % 8 != 0 || runs->count < 2 || runs->stride < 2) return false;
  while (axis > 0 && runs->walked[axis - 1].stride != 1) inner *= runs->walked[--axis].size;
  if (axis == 0 || inner > most / (2 * size)) return false;
  uint64_t columns = most / (inner * size);
  if (columns > TURNED_PIECE_MAX / size) columns = TURNED_PIECE_MAX / size;
  uint64_t width = runs->walked[axis - 1].size;
  if (columns > width) columns = width;
  if (runs->stride * size > TURNED_NEAR) reader->ahead = size;
  *turned = (Turned){.runs = runs,
                     .reader = reader,
                     .size = size,
                     .axis = (uint32_t)axis - 1,
                     .width = width,
                     .inner = inner,
                     .columns = columns,
                     .next = UINT64_MAX};
  return true;
}

void turned_close(Turned *turned) {
  memory_free(turned->panel);
  memory_free(turned->strip);
  *turned = (Turned){0};
}

bool turned_suits(const Turned *turned, uint64_t begin, uint64_t count) {
  bool has = begin >= turned->begin && begin - turned->begin < turned->count;
  return has || count >= TURNED_FEW || begin == turned->next;
}

/* ---- A panel ---- */

/* Where element number `index` of the walked dimensions first to end, and of what `index` is a multiple
** of, is: the sum of their strides. */
static uint64_t turned_place(const Runs *runs, uint32_t first, uint32_t end, uint64_t index) {
  uint64_t place = 0;
  for (uint32_t d = end; d-- > first; index /= runs->walked[d].size)
    place += index % runs->walked[d].size * runs->walked[d].stride;
  return place;
}

/* Puts `pieces` pieces of `columns` elements in order: each is a column of the panel from `at` on. */
#define TURNED_SCATTER(SIZE)                                                               \
  case SIZE:                                                                               \
    for (uint64_t c = 0; c < columns; c++) {                                               \
      const unsigned char *from = turned->strip + c * SIZE;                                \
      unsigned char *to = turned->panel + (c * turned->inner + at) * SIZE;                 \
      for (uint64_t p = 0; p < pieces; p++) memcpy(to + p * SIZE, from + p * pitch, SIZE); \
    }                                                                                      \
    break;

static uint64_t turned_pitch(const Turned *turned) {
  return turned->columns * turned->size +
         TURNED_LINE; /* lest all pieces meet in one place of a cache */
}

static void turned_scatter(const Turned *turned, uint64_t at, uint64_t pieces, uint64_t columns) {
  uint64_t pitch = turned_pitch(turned);
  switch (turned->size) { /* memcpy of a constant size is a single instruction */
    TURNED_SCATTER(1)
    TURNED_SCATTER(2)
    TURNED_SCATTER(4)
    TURNED_SCATTER(8)
  }
}

static bool turned_make_room(Turned *turned, Error *error) {
  if (turned->panel == NULL)
    turned->panel = memory_alloc(turned->columns * turned->inner * turned->size);
  if (turned->strip == NULL) turned->strip = memory_alloc(TURNED_STRIP * turned_pitch(turned));
  return (turned->panel != NULL && turned->strip != NULL) || error_memory(error);
}

/* Fills the panel from row number `row` of the view on. */
static bool turned_fill(Turned *turned, uint64_t row, const Asking *asking, Error *error) {
  const Runs *runs = turned->runs;
  uint64_t column = row % turned->width, columns = turned->width - column;
  if (columns > turned->columns) columns = turned->columns;
  uint64_t base =
      runs->view->offset + column + turned_place(runs, 0, turned->axis, row / turned->width);
  turned->count = 0;
  if (!turned_make_room(turned, error)) return false;
  for (uint64_t at = 0, pieces; at < turned->inner; at += pieces) {
    pieces = turned->inner - at < TURNED_STRIP ? turned->inner - at : TURNED_STRIP;
    for (uint64_t p = 0; p < pieces; p++) {
      uint64_t i = at + p, place = base + i % runs->count * runs->stride;
      place += turned_place(runs, turned->axis + 1, runs->walked_count, i / runs->count);
      const unsigned char *piece =
          reader_bytes(turned->reader, place * turned->size, columns * turned->size, error);
      if (piece == NULL) return false;
      memcpy(turned->strip + p * turned_pitch(turned), piece, (size_t)(columns * turned->size));
    }
    turned_scatter(turned, at, pieces, columns);
    if (at % TURNED_ASK == 0 && !asking_go_on(asking, error)) return false;
  }
  turned->begin = row * turned->inner;
  turned->count = columns * turned->inner;
  return true;
}

const unsigned char *turned_elements(Turned *turned, uint64_t begin, uint64_t max, uint64_t *count,
                                     const Asking *asking, Error *error) {
  bool has = begin >= turned->begin && begin - turned->begin < turned->count;
  if (!has && !turned_fill(turned, begin / turned->inner, asking, error)) return NULL;
  uint64_t within = begin - turned->begin;
  *count = turned->count - within < max ? turned->count - within : max;
  turned->next = begin + *count;
  return turned->panel + within * turned->size;
}
