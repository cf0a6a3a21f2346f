#include "tensor/nearest.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/decode.h"

/* The columns whose products are summed at a time, those of a span in compare.c; the rows that are scored at a time;
** and those of them that are made floats at a time. */
enum { NEAREST_SPAN = 4096, NEAREST_GROUP = 64, NEAREST_WIDENED = 4 };

/* Up to this share of the rows, each thread keeps as many as are wanted. */
enum { NEAREST_SHARE = 64 };

/* What the threads share. */
typedef struct NearestPass {
  const NearestTask *task;
  CompareTask compare;
  KernelRows *sum; /* of elements as stored, or NULL: of floats that are made of them */
  KernelRows *sum_floats;
  double
      *vector; /* the query and zeros up to whole lanes; NULL if rows cannot be summed as floats */
  double squares; /* of the query */
  RankingOrder order;
  uint64_t kept;     /* rows that a thread keeps; 0 if all rows have a place */
  Ranking ranking;   /* the outcome */
  RankedRow *places; /* with a place for every row: those of the ranking */
  Comparison row;    /* of the row that blocks are parts of */
  double infinite;
} NearestPass;

/* The working memory of a thread, before that of compare.c. */
typedef struct NearestScratch {
  float floats[NEAREST_WIDENED * NEAREST_SPAN];
  double a[NEAREST_SPAN], b[NEAREST_SPAN];
} NearestScratch;

/* Where a block with whole rows leaves the best of them. */
typedef struct NearestKept {
  uint64_t count;
  RankedRow rows[];
} NearestKept;

/* What is found in a part of a row. */
typedef struct NearestPart {
  Comparison found;
  double infinite;
  uint64_t row;
  bool is_last;
} NearestPart;

/* ---- A row with everything that can be in it ---- */

/* The sum of the products in which a number is not finite; 0 if there are none. */
static double nearest_infinite_products(const NearestTask *task, const PassElements *row,
                                        uint64_t column, uint64_t count, NearestScratch *scratch) {
  double sum = 0;
  unsigned parts = task->dtype == DTYPE_C64 || task->query_dtype == DTYPE_C64 ? 2 : 1;
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < NEAREST_SPAN / 2 ? count - done : NEAREST_SPAN / 2;
    decode_doubles(task->dtype, row->data, row->first + done, size, 1, scratch->a);
    decode_doubles(task->query_dtype, task->query, column + done, size, 1, scratch->b);
    unsigned a_step = task->dtype == DTYPE_C64 ? 2 : 1,
             b_step = task->query_dtype == DTYPE_C64 ? 2 : 1;
    for (uint64_t i = 0; i < size; i++) {
      for (unsigned part = 0; part < parts; part++) {
        double a = part < a_step ? scratch->a[i * a_step + part] : 0;
        double b = part < b_step ? scratch->b[i * b_step + part] : 0;
        if (!isfinite(a) || !isfinite(b)) sum += a * b;
      }
    }
  }
  return sum;
}

static double nearest_score_of(const NearestTask *task, const Comparison *found, double infinite) {
  if (found->n_nan + found->n_nan_one > 0) return (double)NAN;
  switch (task->metric) {
    case NEAREST_COSINE: return compare_cosine(found);
    case NEAREST_L2: return compare_l2_diff(found);
    default: break;
  }
  if (infinite != 0) return infinite;
  return ldexp(found->products.sum.high, found->products.exponent);
}

/* Adds `count` elements of a row, from `column` on. */
static void nearest_compare(const NearestPass *pass, const PassElements *row, uint64_t column,
                            uint64_t count, NearestScratch *scratch, NearestPart *part) {
  const NearestTask *task = pass->task;
  const PassElements both[] = {*row, {.data = task->query, .first = column}};
  compare_elements(&pass->compare, both, count, scratch + 1, &part->found);
  if (task->metric == NEAREST_DOT)
    part->infinite = nearest_infinite_products(task, row, column, count, scratch);
}

static double nearest_careful_score(const NearestPass *pass, const PassElements *row,
                                    NearestScratch *scratch) {
  NearestPart part = {.infinite = 0};
  nearest_compare(pass, row, 0, pass->task->columns, scratch, &part);
  return nearest_score_of(pass->task, &part.found, part.infinite);
}

/* ---- Rows of floats ---- */

/* The sums over one span of columns, of elements as stored or as floats. Returns false if there are no floats. */
static bool nearest_sum_span(const NearestPass *pass, const PassElements *rows, uint64_t row_count,
                             uint64_t column, uint64_t width, NearestScratch *scratch,
                             RowSums *out) {
  uint64_t columns = pass->task->columns, first = rows->first + column;
  const double *vector = pass->vector + column;
  if (pass->sum != NULL) {
    uint64_t size = dtype_bits(pass->task->dtype) / 8;
    pass->sum(rows->data + first * size, columns * size, row_count, vector, width, out);
    return true;
  }
  for (uint64_t done = 0, some; done < row_count; done += some) {
    some = row_count - done < NEAREST_WIDENED ? row_count - done : NEAREST_WIDENED;
    for (uint64_t r = 0; r < some; r++) {
      float *to = scratch->floats + r * NEAREST_SPAN;
      uint64_t at = first + (done + r) * columns;
      const void *floats = numbers_floats(&pass->compare.a_numbers, rows->data, at, width, to);
      if (floats == NULL) return false;
    }
    pass->sum_floats((const unsigned char *)scratch->floats, NEAREST_SPAN * sizeof(float), some,
                     vector, width, out + done);
  }
  return true;
}

typedef struct NearestSums {
  DoubleDouble sum, squares;
} NearestSums;

/* The sums over whole rows, at most NEAREST_GROUP. */
static bool nearest_sum_rows(const NearestPass *pass, const PassElements *rows, uint64_t row_count,
                             NearestScratch *scratch, NearestSums *out) {
  RowSums some[NEAREST_GROUP];
  uint64_t columns = pass->task->columns;
  memset(out, 0, (size_t)row_count * sizeof *out);
  for (uint64_t column = 0; column < columns; column += NEAREST_SPAN) {
    uint64_t width = columns - column < NEAREST_SPAN ? columns - column : NEAREST_SPAN;
    if (!nearest_sum_span(pass, rows, row_count, column, width, scratch, some)) return false;
    for (uint64_t r = 0; r < row_count; r++) {
      out[r].sum = double_double_add(out[r].sum, (DoubleDouble){some[r].sum, 0});
      out[r].squares = double_double_add(out[r].squares, (DoubleDouble){some[r].squares, 0});
    }
  }
  return true;
}

/* Sets *score from sums, as compare.h has it for numbers whose squares need no scaling. Returns false if more has to
** be known: a number is not finite, or the row may be the query itself. */
static bool nearest_score_sums(const NearestPass *pass, const NearestSums *sums, double *score) {
  double sum = sums->sum.high, squares = sums->squares.high;
  if (!isfinite(sum) || !isfinite(squares)) return false;
  switch (pass->task->metric) {
    case NEAREST_DOT: *score = sum; return true;
    case NEAREST_L2: *score = sqrt(sum); return true;
    default: break;
  }
  if (sum == squares && squares == pass->squares) return false;
  double cosine = sum / sqrt(squares) / sqrt(pass->squares);
  if (squares == 0 || pass->squares == 0) cosine = (double)NAN;
  *score = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
  return true;
}

/* ---- Blocks ---- */

static void nearest_take(const NearestPass *pass, uint64_t row, double score, Ranking *kept) {
  RankedRow ranked = {ranking_key(pass->order, score), row};
  if (pass->kept == 0) {
    pass->places[row] = ranked;
  } else {
    ranking_offer(kept, pass->kept, ranked);
  }
}

/* Whole rows. */
static void nearest_block_of_rows(const void *context, const PassElements *elements,
                                  uint64_t position, uint64_t count, void *memory, void *state) {
  const NearestPass *pass = context;
  NearestScratch *scratch = memory;
  NearestKept *to = state;
  uint64_t columns = pass->task->columns, row_count = count / columns, first = position / columns;
  Ranking kept = {.rows = to->rows, .count = to->count};
  NearestSums sums[NEAREST_GROUP];
  for (uint64_t done = 0, some; done < row_count; done += some) {
    some = row_count - done < NEAREST_GROUP ? row_count - done : NEAREST_GROUP;
    PassElements rows = {elements->data, elements->first + done * columns};
    bool summed = pass->vector != NULL && nearest_sum_rows(pass, &rows, some, scratch, sums);
    for (uint64_t r = 0; r < some; r++) {
      double score;
      PassElements row = {rows.data, rows.first + r * columns};
      if (!summed || !nearest_score_sums(pass, &sums[r], &score))
        score = nearest_careful_score(pass, &row, scratch);
      nearest_take(pass, first + done + r, score, &kept);
    }
  }
  to->count = kept.count;
}

static bool nearest_merge_kept(void *context, const void *state) {
  NearestPass *pass = context;
  const NearestKept *more = state;
  for (uint64_t i = 0; i < more->count; i++)
    ranking_offer(&pass->ranking, pass->kept, more->rows[i]);
  return true;
}

/* A part of a row that is longer than a block. */
static void nearest_block_of_part(const void *context, const PassElements *elements,
                                  uint64_t position, uint64_t count, void *scratch, void *state) {
  const NearestPass *pass = context;
  NearestPart *part = state;
  uint64_t columns = pass->task->columns, column = position % columns;
  part->row = position / columns;
  part->is_last = column + count == columns;
  nearest_compare(pass, elements, column, count, scratch, part);
}

static bool nearest_merge_part(void *context, const void *state) {
  NearestPass *pass = context;
  const NearestPart *part = state;
  compare_add_found(&pass->row, &part->found);
  pass->infinite += part->infinite;
  if (!part->is_last) return true;
  double score = nearest_score_of(pass->task, &pass->row, pass->infinite);
  nearest_take(pass, part->row, score, &pass->ranking);
  pass->row = (Comparison){0};
  pass->infinite = 0;
  return true;
}

/* ---- The pass ---- */

static bool nearest_is_finite(const double *numbers, uint64_t count) {
  bool finite = true;
  for (uint64_t i = 0; i < count; i++) finite = finite && isfinite(numbers[i]);
  return finite;
}

/* The sum of the squares of the query, with itself compared. */
static double nearest_query_squares(const NearestTask *task, void *scratch) {
  Comparison found = {0};
  CompareTask compare = {.a = task->query_dtype, .b = task->query_dtype, .goal = COMPARE_NUMBERS};
  const PassElements both[] = {{.data = task->query}, {.data = task->query}};
  compare_open(&compare);
  compare_elements(&compare, both, task->columns, scratch, &found);
  return found.b_squares.sum.high;
}

/* Makes the query a vector of doubles, unless it is not finite. */
static bool nearest_open_vector(NearestPass *pass, void *scratch, Error *error) {
  const NearestTask *task = pass->task;
  pass->vector = memory_zeroed(task->columns + PAIR_LANES, sizeof *pass->vector);
  if (pass->vector == NULL) return error_memory(error);
  decode_doubles(task->query_dtype, task->query, 0, task->columns, 1, pass->vector);
  if (nearest_is_finite(pass->vector, task->columns)) {
    pass->squares = nearest_query_squares(task, scratch);
  } else {
    memory_free(pass->vector);
    pass->vector = NULL;
  }
  return true;
}

static void nearest_choose_kernels(NearestPass *pass) {
  const Kernels *kernels = kernels_chosen();
  KernelRows *const *sums =
      pass->task->metric == NEAREST_L2 ? kernels->row_distances : kernels->row_products;
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || pass->task->dtype != DTYPE_F32;
  pass->sum = native ? sums[pass->task->dtype] : NULL;
  pass->sum_floats = sums[DTYPE_F32];
}

static bool nearest_prepare(NearestPass *pass, Error *error) {
  const NearestTask *task = pass->task;
  pass->compare = (CompareTask){.a = task->dtype, .b = task->query_dtype, .goal = COMPARE_NUMBERS};
  compare_open(&pass->compare);
  nearest_choose_kernels(pass);
  if (task->columns > PASS_BLOCK || !numbers_are_floats(&pass->compare.a_numbers) ||
      !numbers_are_floats(&pass->compare.b_numbers)) {
    return true;
  }
  void *scratch = memory_alloc(compare_scratch_size());
  if (scratch == NULL) return error_memory(error);
  bool good = nearest_open_vector(pass, scratch, error);
  memory_free(scratch);
  return good;
}

static bool nearest_make_room(NearestPass *pass, Error *error) {
  const NearestTask *task = pass->task;
  bool few = task->limit <= task->row_count / NEAREST_SHARE;
  pass->kept = few ? task->limit : 0;
  uint64_t count = few ? task->limit : task->row_count;
  pass->ranking.rows = memory_zeroed(count, sizeof *pass->ranking.rows);
  if (pass->ranking.rows == NULL) return error_memory(error);
  if (few) return true;
  pass->places = pass->ranking.rows;
  pass->ranking.count = count;
  return true;
}

static bool nearest_run(NearestPass *rows, const Source *source, const View *view, const Host *host,
                        Error *error) {
  const NearestTask *task = rows->task;
  bool whole = task->columns <= PASS_BLOCK;
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(task->dtype)}},
               .task = rows,
               .row = task->columns,
               .maps_windows = true,
               .any_order = whole,
               .state_size = whole ? sizeof(NearestKept) + rows->kept * sizeof(RankedRow)
                                   : sizeof(NearestPart),
               .scratch_size = sizeof(NearestScratch) + compare_scratch_size(),
               .block = whole ? nearest_block_of_rows : nearest_block_of_part,
               .merge = whole ? nearest_merge_kept : nearest_merge_part};
  return pass_run(&pass, host, error);
}

bool nearest_find(const NearestTask *task, const Source *source, const View *view, const Host *host,
                  Nearest *found, Error *error) {
  NearestPass pass = {.task = task,
                      .order = task->metric == NEAREST_L2 ? RANKING_ASCENDING : RANKING_DESCENDING};
  *found = (Nearest){.order = pass.order};
  if (task->columns == 0 || task->row_count == 0 || task->limit == 0) {
    found->is_constant = true;
    found->constant = task->metric == NEAREST_COSINE ? (double)NAN : 0;
    return true;
  }
  bool good = nearest_prepare(&pass, error) && nearest_make_room(&pass, error) &&
              nearest_run(&pass, source, view, host, error) &&
              ranking_begin(&pass.ranking, host, error);
  memory_free(pass.vector);
  found->ranking = pass.ranking;
  if (!good) nearest_clear(found);
  return good;
}

NearestRow nearest_at(Nearest *found, uint64_t place) {
  if (found->is_constant) return (NearestRow){place, found->constant};
  RankedRow ranked = ranking_at(&found->ranking, place);
  return (NearestRow){ranked.row, ranking_score(found->order, ranked.key)};
}

void nearest_clear(Nearest *found) {
  memory_free(found->ranking.rows);
  *found = (Nearest){0};
}
