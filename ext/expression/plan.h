/*
** The plan of an expression: its graph, once the headers of its tensors have been read. Each step has
** a dtype and a shape, and computes its elements, in row-major order, from those of other steps.
**
** A step is *stored* if its elements are bytes that only move: those of a tensor of a file, and of
** what transposes, slices, joins or converts such. All others are doubles, which are rounded to the
** step's dtype only at the root, or where the expression says so.
**
** A step that is read in another order than it computes, or more than once, is *kept*: it is
** computed once, before all others that need it, and a step of its own reads it.
*/
#ifndef SAFETENSORS_EXPRESSION_PLAN_H
#define SAFETENSORS_EXPRESSION_PLAN_H

#include "base/arithmetic.h"
#include "expression/leaf.h"
#include "expression/node.h"
#include "model/source.h"
#include "tensor/view.h"

typedef enum StepKind {
  STEP_NUMBER,  /* value: one element */
  STEP_READ,    /* elements of a source, through view */
  STEP_MOVE,    /* elements of args[0], through view over its row-major order */
  STEP_TAKE,    /* along an axis of args[0]: outer times the indices times inner elements */
  STEP_JOIN,    /* along an axis: outer times, all of each argument's next chunk */
  STEP_CONVERT, /* args[0] rounded to the dtype */
  STEP_FULL,    /* value, everywhere */
  STEP_RANDOM,  /* seed */
  STEP_UNARY,   /* of args[0]. The arguments of these six have the shape of the step, or one
                ** element */
  STEP_BINARY,
  STEP_WHERE,
  STEP_LERP,
  STEP_SLERP,  /* factors[0] * args[0] + factors[1] * args[1], once prepared */
  STEP_SUM,    /* of factors[i] * args[i], divided by value */
  STEP_REDUCE, /* over one axis of args[0]: outer times length times inner elements */
  STEP_MATMUL, /* for each of outer: rows x length times length x inner */
  STEP_UNPACK, /* outer rows of inner numbers, by unpack; each row of args[0] has `length` words, and
               ** there are `rows` of them */
  STEP_SPREAD, /* outer batches of rows x inner elements, by spread */
  STEP_LOOKUP, /* args[1][args[0]] */
  STEP_WHOLE,  /* `whole` of all of its arguments, computed once and kept */
  STEP_BLOCKS, /* for each of outer x rows x blocks: a row of `length` times length x inner */
  STEP_CIRCLE, /* outer x inner matrices, each with a row of args[0], `length` long, moved on by one more in
               ** each of its rows */
  STEP_WAVES, /* rows x inner: cosines, and then sines, of a row times the indices over `length`; turned if value is 1 */
  STEP_SCATTER /* zeros, and at the sorted args[0][0] what args[0][1] adds up to there */
} StepKind;

/* How numbers of a few bits lie in words of a matrix, which is stored little-endian. Source: see
** plan_dequantize.c for each scheme. */
typedef enum UnpackOrder {
  UNPACK_STREAM,      /* along the row, without gaps: number j has the bits from bits * j on */
  UNPACK_WORDS,       /* along the row: number j is in word j / per_word */
  UNPACK_STREAM_DOWN, /* down the column, without gaps: row i has the bits from bits * i on */
  UNPACK_INTERLEAVED, /* down the column: row i is in word row i / per_word */
  UNPACK_SLICES       /* down the column: row i is in word row i % (word rows) */
} UnpackOrder;

typedef struct Unpack {
  UnpackOrder order;
  unsigned bits, word_bits; /* at most 8; 8 or 32 */
  unsigned per_word;        /* not for a stream; at most 32 */
  uint8_t shifts[32];       /* of the numbers in a word */
  const double *values;     /* of the codes; NULL: their own. They live as long as the plan */
} Unpack;

/* How a matrix is repeated to the shape of a step. */
typedef struct Spread {
  uint64_t rows, columns; /* of the matrix, of each batch */
  uint64_t block_rows, block_columns;
  bool per_batch; /* each batch has a matrix of its own. Also of BLOCKS: each block has */
} Spread;

typedef struct Step {
  StepKind kind;
  Operator op; /* of UNARY, BINARY and REDUCE */
  Dtype dtype;
  View shape; /* of the result; contiguous */
  bool stored;
  uint32_t arg_count;
  uint32_t *args; /* steps, each before this one */
  double value;
  uint64_t seed;
  double *factors;
  const Node *node; /* SLERP: its node in the graph, or NULL if it is in none */
  const int64_t *indices;
  uint64_t outer, rows, blocks, length, inner;
  uint64_t *ends;            /* JOIN: where the elements of each argument end in one of outer */
  View view;                 /* READ, MOVE */
  Source source;             /* READ */
  bool of_keep;              /* READ: the source is what args[0] is kept in */
  const Unpack *unpack;      /* UNPACK */
  const struct Whole *whole; /* WHOLE: see whole.h */
  Spread spread;             /* SPREAD; args[1], if there is one, has the groups of the columns */
  uint32_t leaf;             /* READ: the number of the leaf that it reads, unless of_keep */
  bool is_kept;              /* a READ of it exists */
  uint32_t nested; /* how many steps are computed within each other for it, counting itself */
} Step;

typedef struct Plan {
  Session *session;
  Graph graph;
  Leaf *leaves;
  uint32_t leaf_count;
  Step *steps; /* the last is the root */
  uint32_t step_count;
  uint64_t step_capacity;
  uint64_t dimension_count; /* of all steps */
  bool is_direct;           /* only a few elements are wanted, here and there */
  uint32_t *step_of;        /* for each node of the graph */
} Plan;

/* Reads the text, opens its tensors, without reading their bytes, and finds all shapes.
** plan_close() releases it, also after an error. */
bool plan_open(Plan *plan, Session *session, const char *text, uint64_t length, Error *error);

void plan_close(Plan *plan);

static inline const Step *plan_root(const Plan *plan) {
  return &plan->steps[plan->step_count - 1];
}

/* The dtype of the elements of a step where they are kept. */
static inline Dtype step_kept_dtype(const Step *step) {
  return step->stored ? step->dtype : DTYPE_F64;
}

/* ---- What its parts share, each in a file of its own ---- */

/* A step by its number, or this after an error. */
#define PLAN_NONE UINT32_MAX

/* So many steps are computed within each other, as C functions, on the stack of the thread; hosts have
** threads with 64 kB. What is nested deeper is kept. */
enum { PLAN_MAX_NESTED = 64 };

/* The most elements of a step, so that the bits of as many doubles are below 2^64, and the most
** multiplications of a product of matrices. */
#define PLAN_MAX_NUMEL           ((uint64_t)1 << 57)
#define PLAN_MAX_MULTIPLICATIONS ((uint64_t)1 << 60)

/* Each raises an error, and returns PLAN_NONE: about the shapes of two steps, or of one if both are
** the same. */
uint32_t plan_no_memory(Error *error);
uint32_t plan_refuse_shapes(const Plan *plan, Error *error, const Node *node, const char *expected,
                            uint32_t a, uint32_t b);

/* Adds a step whose result has a shape of `rank` dimensions. Steps may then be elsewhere in memory. */
uint32_t plan_add_shaped(Plan *plan, StepKind kind, Dtype dtype, uint32_t arg_count,
                         const uint64_t *shape, uint32_t rank, Error *error);

/* Adds a step like `of`, with the shape of a view, which it takes over: one over the elements that
** `of` reads, or moves from another step, or else over its own. */
uint32_t plan_add_view(Plan *plan, uint32_t of, View *view, Error *error);

/* A step that reads what `of` is kept in. */
uint32_t plan_keep(Plan *plan, uint32_t of, Error *error);

/* The dtype of arithmetic over these steps. */
bool plan_arithmetic(const Plan *plan, const Node *node, const uint32_t *args, uint32_t count,
                     Dtype *dtype, Error *error);

/* Widens a shape of `rank` dimensions, aligned at the end, by that of a step. */
bool plan_broadcast_with(uint64_t *shape, uint32_t rank, const View *with);

/* The axis of a node, which must be one of the `rank` of the step `of`. */
bool plan_axis(const Plan *plan, const Node *node, uint32_t of, uint32_t rank, uint32_t *axis,
               Error *error);

uint64_t plan_product(const uint64_t *sizes, uint32_t count);

/* Counts how deep the steps from `first` on are nested, and keeps the last if that is too deep. Returns
** the step to use in its place. */
uint32_t plan_limit_nesting(Plan *plan, uint32_t first, uint32_t last, Error *error);

/* Adds the steps of a node, with other arguments than it has in the graph; it need not be in the graph. */
uint32_t plan_operator(Plan *plan, const Node *node, const uint32_t *args, Error *error);

uint32_t plan_concat(Plan *plan, const Node *node, const uint32_t *args, Error *error);
uint32_t plan_stack(Plan *plan, const Node *node, const uint32_t *args, Error *error);
uint32_t plan_matmul(Plan *plan, const Node *node, const uint32_t *args, Error *error);

/* Formulas over named parts: see formula.h. */
uint32_t plan_dequantize(Plan *plan, const Node *node, const uint32_t *args, Error *error);
uint32_t plan_delta(Plan *plan, const Node *node, const uint32_t *args, Error *error);

#endif
