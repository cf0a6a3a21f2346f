/*
** Steps that are computed in floats, row by row: codes of a few bits, one after the other along the rows,
** with factors that are the same for many of them, as packed weights have. What evaluate.c computes with a
** tile of doubles for each step takes one pass here, with the same result: of codes of four bits each
** group's sixteen values are computed in doubles and rounded, and then looked up; others take the operations
** one after the other, in floats where all but the last are exact, else in doubles.
*/
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "expression/evaluate.h"
#include "expression/formula.h"
#include "tensor/decode.h"

enum {
  GROUPED_MAX_OPS = 4,
  GROUPED_PIECE = 2048,   /* elements that are computed at once */
  GROUPED_MIN_GROUP = 48, /* shorter ones are not worth a table of sixteen values */
  GROUPED_CODES = 16,
  GROUPED_FACTORS = 64 /* groups that are multiplied at once */
};

_Static_assert((int)GROUPED_CODES % (int)KERNEL_LANES == 0, "a table is multiplied as a group");

/* value OP factor */
typedef struct GroupedOp {
  Operator op;
  uint32_t factors;   /* the step that has them */
  const Step *spread; /* how they are repeated; NULL: there is one */
  uint64_t first;     /* the number of values[0] in a row of factors */
  double *values;     /* those of a piece */
  const double *at;   /* the next one */
  uint64_t left;      /* how many elements it is still for */
} GroupedOp;

typedef enum GroupedWay { GROUPED_TABLES, GROUPED_FLOATS, GROUPED_DOUBLES } GroupedWay;

typedef struct Grouped {
  uint32_t codes;     /* the step that has them: READ or UNPACK */
  uint32_t looked_up; /* the table in which they are looked up, or PLAN_NONE */
  uint64_t offset;    /* of the first element, in the steps below a slice */
  uint64_t columns;
  bool settled, high_first;
  bool integers;        /* the codes stand for integers */
  const Unpack *unpack; /* of codes of four bits, two in a byte; NULL: otherwise */
  double values[GROUPED_CODES];
  float floats[GROUPED_CODES]; /* the same, rounded */
  bool may_be_floats;          /* if grouped_fits_floats() */
  GroupedWay way;
  uint32_t op_count;
  GroupedOp ops[GROUPED_MAX_OPS]; /* the first one first */
  double *numbers;                /* of a piece, where it is computed in doubles */
} Grouped;

/* ---- Recognising such a step ---- */

/* Whether a step is a factor of one of that shape. */
static bool grouped_is_factor(const Plan *plan, uint32_t number, const Step *of, uint64_t columns) {
  const Step *step = &plan->steps[number];
  return step->shape.numel == 1 || (step->kind == STEP_SPREAD && step->inner == columns &&
                                    step->shape.numel == of->shape.numel);
}

static bool grouped_is_operation(Operator op) {
  return op == OPERATOR_IS_ADD || op == OPERATOR_IS_SUB || op == OPERATOR_IS_MUL ||
         op == OPERATOR_IS_DIV;
}

/* Numbers of four bits along the row, of which two are in a byte. */
static bool grouped_are_nibbles(const Step *step, bool *high_first) {
  const Unpack *unpack = step->unpack;
  bool pairs = unpack->order == UNPACK_WORDS && unpack->word_bits == 8 && unpack->per_word == 2;
  *high_first = pairs && unpack->shifts[0] == 4;
  return unpack->bits == 4 && (unpack->order == UNPACK_STREAM || pairs);
}

static bool grouped_suits_codes(const Evaluator *evaluator, Grouped *grouped, uint32_t number) {
  const Step *step = &evaluator->plan->steps[number];
  const StepState *state = &evaluator->states[number];
  grouped->looked_up = PLAN_NONE;
  if (step->kind == STEP_LOOKUP) {
    grouped->looked_up = step->args[1];
    number = step->args[0];
    step = &evaluator->plan->steps[number];
    bool fits = step->kind == STEP_UNPACK && step->unpack->values == NULL &&
                evaluator->plan->steps[grouped->looked_up].shape.numel == GROUPED_CODES &&
                grouped_are_nibbles(step, &grouped->high_first);
    if (!fits) return false;
  }
  grouped->codes = number;
  if (step->kind == STEP_READ)
    return state->is_plain && dtype_bits(state->decode->dtype) == 8 && step->stored;
  if (step->kind != STEP_UNPACK) return false;
  bool nibbles = grouped_are_nibbles(step, &grouped->high_first);
  grouped->unpack = nibbles ? step->unpack : NULL;
  return step->inner == grouped->columns;
}

/* Follows the operations down to the codes. */
static bool grouped_recognise(const Evaluator *evaluator, Grouped *grouped, uint32_t number) {
  const Plan *plan = evaluator->plan;
  const Step *step = &plan->steps[number], *top = step;
  if (step->kind == STEP_MOVE && view_is_contiguous(&step->view)) {
    grouped->offset = step->view.offset;
    number = step->args[0];
    top = step = &plan->steps[number];
  }
  if (step->kind != STEP_BINARY || step->shape.rank < 2) return false;
  grouped->columns = top->shape.shape[top->shape.rank - 1];
  for (; step->kind == STEP_BINARY && !step->stored; step = &plan->steps[number]) {
    if (grouped->op_count == GROUPED_MAX_OPS || !grouped_is_operation(step->op) ||
        step->shape.numel != top->shape.numel ||
        !grouped_is_factor(plan, step->args[1], top, grouped->columns))
      return false;
    memmove(grouped->ops + 1, grouped->ops, grouped->op_count * sizeof *grouped->ops);
    const Step *factor = &plan->steps[step->args[1]];
    bool spread = factor->shape.numel != 1;
    grouped->ops[0] = (GroupedOp){.op = step->op,
                                  .factors = spread ? factor->args[0] : step->args[1],
                                  .spread = spread ? factor : NULL};
    grouped->op_count++;
    number = step->args[0];
  }
  return step->shape.numel == top->shape.numel && grouped_suits_codes(evaluator, grouped, number);
}

bool evaluate_grouped_open(Evaluator *evaluator, uint32_t number, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  Grouped grouped = {0};
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  /* Of so many steps each would have to be released after its use. */
  if (evaluator->room.releases) return true;
  if (!native || step->stored || step->dtype != DTYPE_F32 || step->shape.numel < 2 ||
      !grouped_recognise(evaluator, &grouped, number))
    return true;
  state->grouped = memory_alloc(sizeof *state->grouped);
  if (state->grouped == NULL) return error_memory(error);
  *state->grouped = grouped;
  state->in_floats = true;
  for (uint32_t i = 0; i < grouped.op_count; i++) {
    double *values = memory_alloc((GROUPED_PIECE + 1) * sizeof *values);
    state->grouped->ops[i].values = values;
    if (values == NULL) return error_memory(error);
  }
  return true;
}

void evaluate_grouped_close(Grouped *grouped) {
  if (grouped == NULL) return;
  for (uint32_t i = 0; i < grouped->op_count; i++) memory_free(grouped->ops[i].values);
  memory_free(grouped->numbers);
  memory_free(grouped);
}

/* ---- Once, before the first elements ---- */

/* Whether the groups that an index names are those of blocks in a row. */
static bool grouped_index_is_plain(Evaluator *evaluator, const Step *spread, bool *plain,
                                   Error *error) {
  uint64_t columns = spread->inner, block = spread->spread.block_columns;
  *plain = (columns - 1) / block < spread->spread.columns;
  for (uint64_t at = 0, size; *plain && at < columns; at += size) {
    size = columns - at < EVALUATE_TILE ? columns - at : EVALUATE_TILE;
    const double *groups = evaluate_numbers(evaluator, spread->args[1], at, size, error);
    if (groups == NULL) return false;
    for (uint64_t i = 0; i < size; i++) {
      uint64_t group = (at + i) / block;
      *plain = *plain && (groups[i] == -1 || groups[i] == (double)group);
    }
  }
  return true;
}

/* `block`: the shortest run of columns with the same factors. */
static void grouped_choose_way(const Evaluator *evaluator, Grouped *grouped, uint64_t block) {
  Dtype dtype = evaluator->states[grouped->codes].decode->dtype;
  bool few_bits = grouped->looked_up == PLAN_NONE && dtype != DTYPE_F8_E8M0;
  grouped->may_be_floats = few_bits || grouped->op_count == 1;
  if (grouped->unpack == NULL) {
    bool read = evaluator->plan->steps[grouped->codes].kind == STEP_READ;
    grouped->integers = read && (dtype == DTYPE_I8 || dtype == DTYPE_U8);
    grouped->way = read ? GROUPED_FLOATS : GROUPED_DOUBLES;
    return;
  }
  bool floats = true;
  grouped->integers = true;
  for (unsigned code = 0; code < GROUPED_CODES; code++) {
    double value = grouped->values[code];
    floats = floats && (double)(float)value == value;
    grouped->floats[code] = (float)value;
    grouped->integers =
        grouped->integers && value == trunc(value) && fabs(value) <= (double)GROUPED_CODES;
  }
  grouped->may_be_floats = grouped->may_be_floats && floats;
  grouped->way = floats && block < GROUPED_MIN_GROUP ? GROUPED_FLOATS : GROUPED_TABLES;
}

bool evaluate_grouped_settle(Evaluator *evaluator, uint32_t number, Error *error) {
  StepState *state = &evaluator->states[number];
  Grouped *grouped = state->grouped;
  if (grouped->settled) return true;
  bool plain = true;
  uint64_t block = UINT64_MAX;
  for (uint32_t i = 0; plain && i < grouped->op_count; i++) {
    const Step *spread = grouped->ops[i].spread;
    if (spread == NULL) continue;
    if (spread->spread.block_columns < block) block = spread->spread.block_columns;
    if (spread->arg_count > 1 && !grouped_index_is_plain(evaluator, spread, &plain, error))
      return false;
  }
  if (grouped->looked_up != PLAN_NONE) {
    const double *table = evaluate_numbers(evaluator, grouped->looked_up, 0, GROUPED_CODES, error);
    if (table == NULL) return false;
    memcpy(grouped->values, table, sizeof grouped->values);
  } else {
    for (unsigned code = 0; grouped->unpack != NULL && code < GROUPED_CODES; code++)
      grouped->values[code] =
          grouped->unpack->values != NULL ? grouped->unpack->values[code] : code;
  }
  grouped_choose_way(evaluator, grouped, block);
  state->in_floats = plain;
  grouped->settled = true;
  return true;
}

/* ---- Factors of a piece ---- */

/* Finds the factors of `count` elements of a row. */
static bool grouped_factors(Evaluator *evaluator, GroupedOp *op, uint64_t row, uint64_t column,
                            uint64_t count, Error *error) {
  const Step *step = op->spread;
  uint64_t first = 0, groups = 1, block = UINT64_MAX;
  if (step != NULL) {
    const Spread *spread = &step->spread;
    uint64_t group = row % step->rows / spread->block_rows;
    if (spread->per_batch) group += row / step->rows * spread->rows;
    block = spread->block_columns;
    first = group * spread->columns + column / block;
    groups = (column + count - 1) / block + 1 - column / block;
  }
  const double *values = evaluate_numbers(evaluator, op->factors, first, groups, error);
  if (values == NULL) return false;
  memcpy(op->values, values, (size_t)groups * sizeof *values);
  op->at = op->values;
  op->left = step != NULL ? block - column % block : UINT64_MAX;
  return true;
}

/* How many of `count` elements have the same factors. */
static uint64_t grouped_run(const Grouped *grouped, uint64_t count) {
  for (uint32_t i = 0; i < grouped->op_count; i++) {
    if (grouped->ops[i].left < count) count = grouped->ops[i].left;
  }
  return count;
}

static void grouped_advance(GroupedOp *op, uint64_t count) {
  op->left -= count;
  if (op->left > 0) return;
  op->at++;
  op->left = op->spread->spread.block_columns;
}

/* ---- Operations on an array, in place ---- */

/* Compilers vectorise loops of a constant length. */
enum { GROUPED_AT_ONCE = 16 };

#define GROUPED_LOOP(type, numbers, count, operation, factor)                              \
  for (; count >= GROUPED_AT_ONCE; count -= GROUPED_AT_ONCE, numbers += GROUPED_AT_ONCE) { \
    for (int i = 0; i < GROUPED_AT_ONCE; i++) numbers[i] = numbers[i] operation factor;    \
  }                                                                                        \
  for (uint64_t i = 0; i < count; i++) numbers[i] = numbers[i] operation factor;

#define GROUPED_APPLY(name, type)                                             \
  static void name(Operator op, type factor, uint64_t count, type *numbers) { \
    if (op == OPERATOR_IS_MUL) {                                              \
      GROUPED_LOOP(type, numbers, count, *, factor)                           \
    } else if (op == OPERATOR_IS_SUB) {                                       \
      GROUPED_LOOP(type, numbers, count, -, factor)                           \
    } else if (op == OPERATOR_IS_ADD) {                                       \
      GROUPED_LOOP(type, numbers, count, +, factor)                           \
    } else {                                                                  \
      GROUPED_LOOP(type, numbers, count, /, factor)                           \
    }                                                                         \
  }
GROUPED_APPLY(grouped_apply_floats, float)
GROUPED_APPLY(grouped_apply_doubles, double)
#undef GROUPED_APPLY
#undef GROUPED_LOOP

/* ---- Ways ---- */

/* The packed bytes of a part of a row, which begins with the lower four bits of the first one, unless
** *odd; then with the other four. NULL on an error. */
static const unsigned char *grouped_nibbles(Evaluator *evaluator, const Grouped *grouped,
                                            uint64_t row, uint64_t column, uint64_t count,
                                            bool *odd, Error *error) {
  const Step *step = &evaluator->plan->steps[grouped->codes];
  StepState *state = &evaluator->states[grouped->codes];
  uint64_t per = step->unpack->word_bits / 4, begin = column / per;
  uint64_t words = (column + count - 1) / per + 1 - begin, first = row * step->length + begin;
  uint32_t arg = step->args[0];
  const unsigned char *bytes =
      evaluator->states[arg].is_plain && !grouped->high_first
          ? evaluate_plain(evaluator, arg, first, words, error)
          : evaluate_argument_bytes(evaluator, state, arg, first, words, error);
  if (bytes == NULL) return NULL;
  for (uint64_t i = 0; grouped->high_first && i < words; i++)
    state->bytes[i] = (unsigned char)(state->bytes[i] >> 4 | state->bytes[i] << 4);
  *odd = column % 2 == 1;
  return bytes + (column - begin * per) / 2;
}

static void grouped_look_up(const unsigned char **bytes, bool *odd, const float *table,
                            uint64_t count, float *out) {
  uint64_t done = *odd && count > 0;
  if (done > 0) *out = table[*(*bytes)++ >> 4];
  kernels_chosen()->lookup_nibbles(*bytes, count - done, table, out + done);
  *bytes += (count - done) / 2;
  *odd = (count - done) % 2 == 1;
}

/* Whether a code, which has at most 8 bits if it is an integer and 4 if not, loses nothing by this operation in
** floats: by the difference with an integer of 16 bits, or by the product with a number of 20 bits, or 16, that
** is far from the ends of the floats. */
static bool grouped_is_exact(const Grouped *grouped, const GroupedOp *op, uint64_t groups) {
  uint32_t beyond = grouped->integers ? 0xff : 0xf;
  bool good = true;
  for (uint64_t i = 0; i < groups; i++) {
    double value = op->values[i], size = fabs(value);
    bool few = (double)(float)value == value && (float_bits((float)value) & beyond) == 0;
    bool product = few && (size == 0 || (size > 0x1p-60 && size < 0x1p60));
    bool difference = grouped->integers && size < 0x1p16 && value == trunc(value);
    good = good && (op->op == OPERATOR_IS_MUL ? product : op->op == OPERATOR_IS_SUB && difference);
  }
  return good;
}

/* Whether the factors are floats, as they are stored, and of so few bits that products with them are exact. */
static bool grouped_are_floats(const Evaluator *evaluator, const GroupedOp *op, bool of_few_bits) {
  const Step *step = &evaluator->plan->steps[op->factors];
  if (step->kind != STEP_READ || step->of_keep) return false;
  Dtype dtype = step->dtype;
  bool small = dtype_bits(dtype) <= 8 && dtype != DTYPE_F8_E8M0 && op->op == OPERATOR_IS_MUL;
  return of_few_bits ? small : numbers_are_floats(evaluator->states[op->factors].decode);
}

/* Whether all operations but the last are exact in floats, and the last takes floats. */
static bool grouped_fits_floats(const Evaluator *evaluator, const Grouped *grouped, uint64_t column,
                                uint64_t count) {
  bool good = grouped->op_count <= 2;
  for (uint32_t i = 0; good && i < grouped->op_count; i++) {
    const GroupedOp *op = &grouped->ops[i];
    uint64_t block = op->spread != NULL ? op->spread->spread.block_columns : UINT64_MAX;
    uint64_t groups = (column + count - 1) / block + 1 - column / block;
    bool last = i + 1 == grouped->op_count;
    if (grouped_are_floats(evaluator, op, !last)) continue;
    if (!last) {
      good = grouped_is_exact(grouped, op, groups);
    } else {
      for (uint64_t g = 0; g < groups; g++)
        good = good && (double)(float)op->values[g] == op->values[g];
    }
  }
  return good;
}

/* The values of all codes after the operations, in floats where that loses nothing. */
static void grouped_table(const Grouped *grouped, bool in_floats, float *table) {
  if (in_floats) {
    memcpy(table, grouped->floats, sizeof grouped->floats);
    for (uint32_t i = 0; i < grouped->op_count; i++) {
      float factor = (float)*grouped->ops[i].at;
      if (grouped->ops[i].op == OPERATOR_IS_MUL) {
        kernels_chosen()->scale_groups(table, &factor, 1, GROUPED_CODES);
      } else {
        grouped_apply_floats(grouped->ops[i].op, factor, GROUPED_CODES, table);
      }
    }
    return;
  }
  double values[GROUPED_CODES];
  memcpy(values, grouped->values, sizeof values);
  for (uint32_t i = 0; i < grouped->op_count; i++)
    grouped_apply_doubles(grouped->ops[i].op, *grouped->ops[i].at, GROUPED_CODES, values);
  for (int i = 0; i < GROUPED_CODES; i++) table[i] = (float)values[i];
}

static bool grouped_by_tables(Evaluator *evaluator, Grouped *grouped, uint64_t row, uint64_t column,
                              uint64_t count, float *out, Error *error) {
  bool odd,
      in_floats = grouped->may_be_floats && grouped_fits_floats(evaluator, grouped, column, count);
  const unsigned char *bytes = grouped_nibbles(evaluator, grouped, row, column, count, &odd, error);
  if (bytes == NULL) return false;
  for (uint64_t done = 0, size; done < count; done += size) {
    float table[GROUPED_CODES];
    size = grouped_run(grouped, count - done);
    grouped_table(grouped, in_floats, table);
    grouped_look_up(&bytes, &odd, table, size, out + done);
    for (uint32_t i = 0; i < grouped->op_count; i++) grouped_advance(&grouped->ops[i], size);
  }
  return true;
}

/* Multiplies whole groups, or else what is left of one. Returns how many elements that are. */
static uint64_t grouped_multiply(GroupedOp *op, uint64_t count, float *numbers) {
  float factors[GROUPED_FACTORS];
  uint64_t size = op->left, groups = 1;
  if (size >= count || size % KERNEL_LANES != 0) {
    if (size > count) size = count;
    factors[0] = (float)*op->at;
    uint64_t whole = size - size % KERNEL_LANES;
    kernels_chosen()->scale_groups(numbers, factors, 1, whole);
    for (uint64_t i = whole; i < size; i++) numbers[i] *= factors[0];
    grouped_advance(op, size);
    return size;
  }
  if (size == op->spread->spread.block_columns) groups = count / size;
  if (groups > GROUPED_FACTORS) groups = GROUPED_FACTORS;
  for (uint64_t g = 0; g < groups; g++) factors[g] = (float)op->at[g];
  kernels_chosen()->scale_groups(numbers, factors, groups, size);
  op->at += groups - 1;
  grouped_advance(op, size);
  return groups * size;
}

/* The operations, one after the other over the piece, in floats or in doubles. */
static void grouped_operate(Grouped *grouped, uint64_t count, float *floats) {
  for (uint32_t i = 0; i < grouped->op_count; i++) {
    GroupedOp *op = &grouped->ops[i];
    for (uint64_t done = 0, size; done < count; done += size) {
      if (floats != NULL && op->op == OPERATOR_IS_MUL) {
        size = grouped_multiply(op, count - done, floats + done);
        continue;
      }
      size = op->left < count - done ? op->left : count - done;
      if (floats != NULL) {
        grouped_apply_floats(op->op, (float)*op->at, size, floats + done);
      } else {
        grouped_apply_doubles(op->op, *op->at, size, grouped->numbers + done);
      }
      grouped_advance(op, size);
    }
  }
}

/* The codes' own values as floats. NULL on an error. */
static bool grouped_codes(Evaluator *evaluator, const Grouped *grouped, uint64_t row,
                          uint64_t column, uint64_t count, float *out, Error *error) {
  if (grouped->unpack != NULL) {
    bool odd;
    const unsigned char *bytes =
        grouped_nibbles(evaluator, grouped, row, column, count, &odd, error);
    if (bytes == NULL) return false;
    grouped_look_up(&bytes, &odd, grouped->floats, count, out);
    return true;
  }
  const unsigned char *bytes =
      evaluate_plain(evaluator, grouped->codes, row * grouped->columns + column, count, error);
  return bytes != NULL &&
         numbers_floats(evaluator->states[grouped->codes].decode, bytes, 0, count, out) != NULL;
}

static bool grouped_by_operations(Evaluator *evaluator, Grouped *grouped, uint64_t row,
                                  uint64_t column, uint64_t count, float *out, Error *error) {
  if (grouped->way == GROUPED_FLOATS) {
    if (!grouped_codes(evaluator, grouped, row, column, count, out, error)) return false;
    if (grouped->may_be_floats && grouped_fits_floats(evaluator, grouped, column, count)) {
      grouped_operate(grouped, count, out);
      return true;
    }
  }
  if (grouped->numbers == NULL)
    grouped->numbers = memory_alloc(GROUPED_PIECE * sizeof *grouped->numbers);
  if (grouped->numbers == NULL) return error_memory(error);
  if (grouped->way == GROUPED_FLOATS) {
    kernels_chosen()->doubles[DTYPE_F32]((const unsigned char *)out, 0, count, grouped->numbers);
  } else {
    const double *numbers =
        evaluate_numbers(evaluator, grouped->codes, row * grouped->columns + column, count, error);
    if (numbers == NULL) return false;
    memcpy(grouped->numbers, numbers, (size_t)count * sizeof *numbers);
  }
  grouped_operate(grouped, count, NULL);
  kernels_chosen()->narrow[DTYPE_F32](grouped->numbers, count, (unsigned char *)out);
  return true;
}

bool evaluate_grouped(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                      float *out, Error *error) {
  Grouped *grouped = evaluator->states[number].grouped;
  begin += grouped->offset;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t row = (begin + done) / grouped->columns, column = (begin + done) % grouped->columns;
    size = grouped->columns - column < count - done ? grouped->columns - column : count - done;
    if (size > GROUPED_PIECE) size = GROUPED_PIECE;
    for (uint32_t i = 0; i < grouped->op_count; i++) {
      if (!grouped_factors(evaluator, &grouped->ops[i], row, column, size, error)) return false;
    }
    bool good =
        grouped->way == GROUPED_TABLES
            ? grouped_by_tables(evaluator, grouped, row, column, size, out + done, error)
            : grouped_by_operations(evaluator, grouped, row, column, size, out + done, error);
    if (!good) return false;
  }
  return true;
}
