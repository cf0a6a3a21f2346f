/*
** Computes elements of the steps of a plan. An Evaluator belongs to one thread; many can share a plan
** whose keeps are filled and whose factors are known (prepare.h).
**
** Numbers are computed in tiles of at most EVALUATE_TILE doubles. Each step keeps its last tile, so
** that a step with several uses is computed once where they ask for the same elements.
*/
#ifndef SAFETENSORS_EXPRESSION_EVALUATE_H
#define SAFETENSORS_EXPRESSION_EVALUATE_H

#include "base/host.h"
#include "expression/plan.h"
#include "expression/turned.h"
#include "tensor/numbers.h"
#include "tensor/stats.h"
#include "tensor/walk.h"

/* Whoever asks for many elements asks for EVALUATE_AT_ONCE at a time, of which the tiles of several
** steps fit in the first-level cache. */
enum { EVALUATE_TILE = NUMBERS_GROUP, EVALUATE_AT_ONCE = 1024, EVALUATE_MAX_HELD = 3 };

/* What one thread knows of a step. */
typedef struct StepState {
  bool open;
  bool is_plain;         /* READ: the elements are whole bytes, one after the other */
  bool is_turned;        /* READ: its rows lie across the tensor */
  bool in_floats;        /* evaluate_floats() computes it */
  bool is_released;      /* its memory is freed after each use */
  uint64_t begin, count; /* the tile; count is 0 if there is none */
  const double *tile;    /* in `numbers`, or in a panel */
  double *numbers;       /* EVALUATE_TILE of them, once they are needed */
  unsigned char *bytes;  /* as many elements as stored, for passing through */
  double
      *held[EVALUATE_MAX_HELD]; /* copies of arguments that another use overwrites; of CONVERT, the
                                   ** result as stored */
  bool holds;                   /* such copies are needed */
  Reader reader;                /* READ */
  Walk walk;                    /* READ */
  Turned turned;                /* READ, if is_turned */
  const Numbers *decode;        /* of stored elements */
  Runs runs;                    /* MOVE */
  Run run;                      /* MOVE: the rest of the run that is at element run_at */
  uint64_t run_at;
  struct MatmulPanel *panel;  /* MATMUL */
  struct BlocksPanel *blocks; /* BLOCKS */
  struct Grouped *grouped;    /* evaluate_grouped() computes it, if in_floats */
} StepState;

/* How much memory one Evaluator may take. */
typedef struct EvaluatorRoom {
  uint64_t ahead;  /* bytes that are read of each file at a time */
  uint64_t mapped; /* bytes that are mapped of each file */
  uint64_t turned; /* bytes of the panel of a tensor whose rows lie across it */
  uint64_t matmul; /* bytes for each product of matrices */
  bool releases;   /* there are so many steps that their memory is freed after each use */
} EvaluatorRoom;

typedef struct Evaluator {
  const Plan *plan;
  EvaluatorRoom room;
  uint32_t step;     /* the one that is wanted */
  uint64_t until;    /* the end of the elements that are wanted of it, for looking ahead */
  StepState *states; /* for each step */
  const Asking *asking;
  uint64_t busy;                 /* elements since it asked last */
  bool maps;                     /* parts of files */
  int64_t checked;               /* when their files were checked last, by clock_monotonic() */
  Numbers *numbers[DTYPE_COUNT]; /* of the dtypes that there are */
} Evaluator;

/* Opens the files that a step needs, on the thread of the connection. evaluator_close() releases it, also
** after an error. */
bool evaluator_open(Evaluator *evaluator, const Plan *plan, uint32_t step,
                    const EvaluatorRoom *room, Error *error);
void evaluator_close(Evaluator *evaluator);

/* Begins work on elements of the step up to `until`, and perhaps no further: files are not read ahead
** beyond that. evaluator_end() ends it. Each returns false, with an error, if a file of which a part is
** mapped has changed. */
bool evaluator_begin(Evaluator *evaluator, uint64_t until, Error *error);
bool evaluator_end(Evaluator *evaluator, Error *error);

/* The elements begin to begin + count of a step as doubles; at most EVALUATE_TILE. Valid until other
** elements of that step are computed. NULL on an error. */
const double *evaluate_numbers(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                               Error *error);

/* The same as the elements out_first, out_first + 1, ... of `out`, as stored in the step's dtype; any
** number of them. If elements are smaller than a byte, `out` must be zero beforehand. */
bool evaluate_bytes(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                    unsigned char *out, uint64_t out_first, Error *error);

/* The elements begin to begin + count of a READ that is plain, as they are stored; at most
** EVALUATE_TILE. Valid until others of that step are asked for. NULL on an error. */
static inline const unsigned char *evaluate_plain(Evaluator *evaluator, uint32_t step,
                                                  uint64_t begin, uint64_t count, Error *error) {
  StepState *state = &evaluator->states[step];
  uint64_t size = dtype_bits(state->decode->dtype) / 8;
  uint64_t first = evaluator->plan->steps[step].view.offset + begin;
  return reader_bytes(&state->reader, first * size, count * size, error);
}

/* ---- Parts, each in a file of its own ---- */

/* Frees the memory of an argument whose elements have been used, if there are that many steps. */
void evaluate_release(Evaluator *evaluator, uint32_t arg);

/* The bytes of `count` elements of an argument, at most a tile, in the room of the step whose state it
** is, for which they are valid until it asks again. NULL on an error. */
const unsigned char *evaluate_argument_bytes(Evaluator *evaluator, StepState *state, uint32_t arg,
                                             uint64_t begin, uint64_t count, Error *error);

/* Whether a step is computed in floats, with the same result as in doubles. Its arguments must be
** open. */
bool evaluate_is_in_floats(const Evaluator *evaluator, uint32_t step);

/* Whether the root of a plan is computed so, from two tensors alone. What is set lives as long as the plan. */
bool evaluate_is_of_two(const Plan *plan, StatsOfTwo *out);

/* The elements of such a step; any number of them. */
bool evaluate_floats(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     float *out, Error *error);

/* Codes with factors that are the same for many of them, as packed weights are; with the same result, too.
** Finds out whether a step is such, and if so sets `grouped` and in_floats. */
bool evaluate_grouped_open(Evaluator *evaluator, uint32_t step, Error *error);
void evaluate_grouped_close(struct Grouped *grouped);

/* Must be called before elements are asked for: may find that it is no such step, and clear in_floats. */
bool evaluate_grouped_settle(Evaluator *evaluator, uint32_t step, Error *error);
bool evaluate_grouped(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                      float *out, Error *error);

/* Elements of a step that moves those of others. */
bool evaluate_moved_numbers(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                            double *out, Error *error);
bool evaluate_moved_bytes(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                          unsigned char *out, uint64_t out_first, Error *error);

/* Elements of the steps that only formulas have. */
bool evaluate_unpack(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);
bool evaluate_spread(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);
bool evaluate_lookup(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);

bool evaluate_circle(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);
bool evaluate_waves(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                    double *out, Error *error);
bool evaluate_scatter(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                      double *out, Error *error);
bool evaluate_blocks(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);
void evaluate_blocks_close(struct BlocksPanel *panel);

bool evaluate_reduce(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);

bool evaluate_matmul(Evaluator *evaluator, uint32_t step, uint64_t begin, uint64_t count,
                     double *out, Error *error);

/* The same for elements of one row. Valid until others are computed; there is room behind them as there
** is behind a tile. NULL on an error. */
const double *evaluate_matmul_in_place(Evaluator *evaluator, uint32_t step, uint64_t begin,
                                       uint64_t count, Error *error);

/* Whether a step reads its right matrix again and again, so that it is better asked for many rows. */
bool evaluate_matmul_is_long(const Step *step);

void evaluate_matmul_close(struct MatmulPanel *panel);

#endif
