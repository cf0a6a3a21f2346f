#include "expression/expression.h"

#include <string.h>

#include "base/memory.h"
#include "expression/identity.h"
#include "expression/prepare.h"
#include "tensor/convert.h"

/* Elements that are rounded twice at a time, so that those of the first time stay in the first-level cache. */
enum { EXPRESSION_TILE = EVALUATE_TILE, EXPRESSION_MAX_SIZE = sizeof(uint64_t) };

/* What a Reader asks for at a time: a block of a pass over F32. */
#define EXPRESSION_AHEAD ((uint64_t)256 << 10)

struct Expression {
  Computed computed; /* first: a Computed is its Expression */
  Plan plan;
  Keep **keeps; /* for each step */
  bool prepared;
  uint64_t wanted; /* elements */
  Dtype dtype;     /* of the bytes that are read */
};

/* What one Reader has. */
typedef struct ExpressionReading {
  Evaluator evaluator;
  Dtype dtype;
  unsigned char *tile; /* of the dtype of the expression, if it is not the same */
} ExpressionReading;

/* ---- Reading ---- */

/* Prepares the plan for the first Reader. The work has no line of progress of its own. */
static bool expression_prepare(Expression *expression, Error *error) {
  if (expression->prepared) return true;
  Session *session = expression->plan.session;
  Host host = {.threads = host_threads(session_db(session)),
               .cancel = session_cancel(session),
               .subject = expression_name.subject};
  expression->prepared =
      prepare_plan(&expression->plan, expression->keeps, expression->wanted, &host, error);
  return expression->prepared;
}

static bool expression_begin(Computed *computed, void **state, Error *error) {
  Expression *expression = (Expression *)computed;
  ExpressionReading *reading = memory_zeroed(1, sizeof *reading);
  if (reading == NULL) return error_memory(error);
  *state = reading;
  const Plan *plan = &expression->plan;
  reading->dtype = expression->dtype;
  if (reading->dtype != plan_root(plan)->dtype) {
    reading->tile = memory_alloc(EXPRESSION_TILE * EXPRESSION_MAX_SIZE);
    if (reading->tile == NULL) return error_memory(error);
  }
  if (!expression_prepare(expression, error)) return false;
  EvaluatorRoom room = prepare_room(plan, host_threads(session_db(plan->session)) + 1);
  return evaluator_open(&reading->evaluator, plan, plan->step_count - 1, &room, error);
}

/* Rounds to the dtype of the expression, and what that gives to the one that is read, tile by tile. */
static bool expression_convert(ExpressionReading *reading, uint64_t begin, uint64_t count,
                               unsigned char *out, Error *error) {
  Evaluator *evaluator = &reading->evaluator;
  Dtype dtype = plan_root(evaluator->plan)->dtype;
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < EXPRESSION_TILE ? count - done : EXPRESSION_TILE;
    if (dtype_bits(dtype) % 8 != 0) memset(reading->tile, 0, EXPRESSION_TILE);
    if (!evaluate_bytes(evaluator, evaluator->step, begin + done, size, reading->tile, 0, error))
      return false;
    convert_elements(dtype, reading->dtype, reading->tile, 0, size, 1, out, done);
  }
  return true;
}

static bool expression_read(void *state, const Asking *asking, uint64_t begin, uint64_t size,
                            unsigned char *out, Error *error) {
  ExpressionReading *reading = state;
  Evaluator *evaluator = &reading->evaluator;
  unsigned bits = dtype_bits(reading->dtype);
  uint64_t first = begin * 8 / bits, count = size * 8 / bits;
  uint64_t left = plan_root(evaluator->plan)->shape.numel - first;
  if (count > left) count = left;
  if (bits % 8 != 0) memset(out, 0, (size_t)size);
  evaluator->asking = asking;
  if (!evaluator_begin(evaluator, first + count, error)) return false;
  bool good = reading->tile != NULL
                  ? expression_convert(reading, first, count, out, error)
                  : evaluate_bytes(evaluator, evaluator->step, first, count, out, 0, error);
  return good && evaluator_end(evaluator, error);
}

static void expression_end(void *state) {
  ExpressionReading *reading = state;
  if (reading == NULL) return;
  evaluator_close(&reading->evaluator);
  memory_free(reading->tile);
  memory_free(reading);
}

/* ---- Opening ---- */

static uint64_t expression_ahead(const Plan *plan) {
  uint64_t ahead = EXPRESSION_AHEAD;
  for (uint32_t i = 0; i < plan->step_count; i++) {
    if (evaluate_matmul_is_long(&plan->steps[i])) ahead = READER_WINDOW;
  }
  return ahead;
}

static bool expression_fill(Expression *expression, Session *session, const char *text,
                            uint64_t length, Error *error) {
  if (!plan_open(&expression->plan, session, text, length, error)) return false;
  expression->keeps = memory_zeroed(expression->plan.step_count, sizeof(Keep *));
  if (expression->keeps == NULL) return error_memory(error);
  expression->wanted = UINT64_MAX;
  expression->computed = (Computed){.session = session,
                                    .subject = expression_name.subject,
                                    .ahead = expression_ahead(&expression->plan),
                                    .open = expression_begin,
                                    .read = expression_read,
                                    .close = expression_end};
  expression_read_as(expression, plan_root(&expression->plan)->dtype);
  return true;
}

Expression *expression_open(Session *session, const char *text, uint64_t length, Error *error) {
  Expression *expression = memory_zeroed(1, sizeof *expression);
  if (expression == NULL) {
    error_memory(error);
    return NULL;
  }
  if (expression_fill(expression, session, text, length, error)) return expression;
  expression_close(expression);
  return NULL;
}

void expression_close(Expression *expression) {
  if (expression == NULL) return;
  for (uint32_t i = 0; expression->keeps != NULL && i < expression->plan.step_count; i++)
    keep_free(expression->keeps[i]);
  memory_free(expression->keeps);
  plan_close(&expression->plan);
  memory_free(expression);
}

Dtype expression_dtype(const Expression *expression) {
  return plan_root(&expression->plan)->dtype;
}

bool expression_view(const Expression *expression, View *view, Error *error) {
  const View *shape = &plan_root(&expression->plan)->shape;
  return view_open_shape(view, shape->shape, shape->rank, &expression_name, error);
}

void expression_read_as(Expression *expression, Dtype dtype) {
  unsigned bits = dtype_bits(dtype);
  expression->dtype = dtype;
  expression->computed.unit = dtype_byte_group(bits) * bits / 8;
}

Source expression_source(Expression *expression) {
  uint64_t numel = plan_root(&expression->plan)->shape.numel;
  return (Source){.computed = &expression->computed,
                  .nbytes = (numel * dtype_bits(expression->dtype) + 7) / 8};
}

bool expression_is_of_two(const Expression *expression, StatsOfTwo *out) {
  return evaluate_is_of_two(&expression->plan, out);
}

bool expression_identify(const Expression *expression, Key *key) {
  const Plan *plan = &expression->plan;
  return identity_put_node(key, plan, plan->graph.root, true);
}

void expression_want(Expression *expression, uint64_t count) {
  expression->wanted = count;
}

uint32_t expression_leaf_count(const Expression *expression) {
  return expression->plan.leaf_count;
}

const Member *expression_leaf_member(const Expression *expression, uint32_t leaf) {
  return &expression->plan.leaves[leaf].member;
}

Source expression_leaf_source(const Expression *expression, uint32_t leaf) {
  return leaf_source(&expression->plan.leaves[leaf]);
}

void expression_set_leaf_source(Expression *expression, uint32_t leaf, const Source *source) {
  for (uint32_t i = 0; i < expression->plan.step_count; i++) {
    Step *step = &expression->plan.steps[i];
    if (step->kind == STEP_READ && !step->of_keep && step->leaf == leaf) step->source = *source;
  }
}
