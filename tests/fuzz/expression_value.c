/*
** The attack: computed tensors that are valid, and put together in a way that nobody thought of:
** shapes, orders, shared and nested operands for which some loop takes a wrong element, or reads
** past one.
**
** The input is a program for a stack of tiny tensors: a byte for an operator, then bytes for what it
** needs. What is on the stack in the end is computed by the extension, from the text, and by
** plain_tensor.h; what one refuses, the other refuses.
*/
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "expression/operators.h"
#include "fuzz_sql.h"
#include "plain_tensor.h"
#include "tensor/decode.h"
#include "tensor/encode.h"

enum { STACK_SIZE = 6, MAX_ARGS = 4, MAX_TEXT = 20000, LEAF_COUNT = DTYPE_COUNT * 6 };

typedef struct Input {
  const uint8_t *data;
  size_t size, at;
} Input;

/* A tensor, and the JSON of the expression that it is. */
typedef struct Item {
  Plain plain;
  char *text;
  bool is_loose; /* to an ulp of F32, so that it is the end */
  double slack;
} Item;

typedef struct Machine {
  Input input;
  sqlite3 *db;
  Item stack[STACK_SIZE];
  uint32_t depth;
} Machine;

/* A number below `limit`; 0 at the end of the input. */
static uint32_t pick(Machine *machine, uint32_t limit) {
  Input *input = &machine->input;
  return input->at < input->size ? input->data[input->at++] % limit : 0;
}

/* ---- Leaves: one file for all inputs ---- */

static char path[64] = "/dev/shm/expression_value.XXXXXX";
static Plain leaves[LEAF_COUNT];

/* Shapes of whole bytes; the last is for dtypes of whole bytes alone. */
static const struct {
  uint32_t rank, shape[3];
} leaf_shapes[6] = {{3, {2, 3, 4}}, {2, {4, 1}}, {2, {3, 4}}, {1, {4}}, {2, {0, 4}}, {0, {0}}};

static void remove_file(void) {
  unlink(path);
}

/* Every code is as likely as any other in small dtypes; in large ones, common numbers are. */
static void make_leaf(Plain *leaf, Dtype dtype, uint32_t number, unsigned char *bytes) {
  static uint64_t state = 1;
  *leaf = (Plain){.dtype = dtype, .stored = true};
  if (number == 5 && dtype_bits(dtype) % 8 != 0) number = 3;
  plain_set_shape(leaf, leaf_shapes[number].shape, leaf_shapes[number].rank);
  for (uint32_t e = 0; e < leaf->numel; e++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    leaf->values[e] = (double)(int64_t)(state >> 40) * 0x1p-18 - 32;
    if (dtype == DTYPE_U64) leaf->values[e] = fabs(leaf->values[e]);
    bytes[e] = (unsigned char)(state >> 56);
  }
  if (dtype_bits(dtype) > 8) encode_doubles(dtype, leaf->values, 0, leaf->numel, bytes);
  if (dtype == DTYPE_F32 && leaf->numel > 3)
    memcpy(bytes, "\0\0\xc0\x7f\0\0\x80\xff\0\0\0\x80", 12);
  decode_doubles(dtype, bytes, 0, leaf->numel, 1, leaf->values);
}

static void make_file(void) {
  static unsigned char data[LEAF_COUNT * 24 * 8];
  uint64_t size = 0, nbytes;
  bool overflow;
  sqlite3_str *header = sqlite3_str_new(NULL);
  for (uint32_t i = 0; i < LEAF_COUNT; i++) {
    Dtype dtype = i / 6 == DTYPE_C64 ? DTYPE_F32 : (Dtype)(i / 6);
    Plain *leaf = &leaves[i];
    make_leaf(leaf, dtype, i % 6, data + size);
    REQUIRE(dtype_nbytes(dtype, leaf->numel, &nbytes, &overflow));
    sqlite3_str_appendf(header, "%s\"%u\":{\"dtype\":\"%s\",\"shape\":[", i == 0 ? "{" : ",", i,
                        dtype_name(dtype));
    for (uint32_t d = 0; d < leaf->rank; d++)
      sqlite3_str_appendf(header, "%s%u", d > 0 ? "," : "", leaf->shape[d]);
    sqlite3_str_appendf(header, "],\"data_offsets\":[%llu,%llu]}", size, size + nbytes);
    size += nbytes;
  }
  sqlite3_str_appendall(header, "}");
  uint64_t length = (uint64_t)sqlite3_str_length(header);
  char *text = sqlite3_str_finish(header);
  if (access("/dev/shm", W_OK) != 0) strcpy(path, "/tmp/expression_value.XXXXXX");
  int descriptor = mkstemp(path);
  REQUIRE(descriptor >= 0 && atexit(remove_file) == 0);
  REQUIRE(write(descriptor, &length, 8) == 8);
  REQUIRE(write(descriptor, text, length) == (ssize_t)length);
  REQUIRE(write(descriptor, data, size) == (ssize_t)size);
  close(descriptor);
  sqlite3_free(text);
}

/* ---- The stack ---- */

static void push(Machine *machine, const Item *item) {
  if (machine->depth == STACK_SIZE) { /* the oldest goes */
    sqlite3_free(machine->stack[0].text);
    memmove(machine->stack, machine->stack + 1, (STACK_SIZE - 1) * sizeof *machine->stack);
    machine->depth--;
  }
  machine->stack[machine->depth++] = *item;
}

static void push_leaf(Machine *machine) {
  uint32_t number = pick(machine, LEAF_COUNT);
  Item leaf = {.plain = leaves[number], .text = sqlite3_mprintf("\"%s#%u\"", path, number)};
  push(machine, &leaf);
}

static void push_number(Machine *machine) {
  static const double numbers[] = {0, 1, -1, 0.1, -2.5, 1e300, 3};
  double value = numbers[pick(machine, 7)];
  Item number = {.plain = plain_number(value), .text = sqlite3_mprintf("%!.17g", value)};
  push(machine, &number);
}

/* A second reader of the same tensor. */
static void push_copy(Machine *machine) {
  if (machine->depth == 0) return;
  Item copy = machine->stack[machine->depth - 1 - pick(machine, machine->depth)];
  copy.text = sqlite3_mprintf("%s", copy.text);
  push(machine, &copy);
}

/* Moves the last items, or leaves, to `args`. */
static void pop(Machine *machine, uint32_t count, Item *args) {
  while (machine->depth < count) push_leaf(machine);
  machine->depth -= count;
  memcpy(args, machine->stack + machine->depth, count * sizeof *args);
}

/* ---- What the extension says ---- */

static int ask(Machine *machine, const char *sql, const char *text, sqlite3_stmt **statement) {
  *statement = prepare(machine->db, sql);
  sqlite3_bind_text(*statement, 1, text, -1, SQLITE_STATIC);
  start_statement();
  return sqlite3_step(*statement);
}

static void require_refusal(Machine *machine, const char *text) {
  sqlite3_stmt *statement;
  REQUIRE(ask(machine, "SELECT tensor_shape(?1)", text, &statement) == SQLITE_ERROR);
  sqlite3_finalize(statement);
}

static bool same(const Item *item, double got, double expected) {
  if (isnan(expected)) return isnan(got);
  if (!item->is_loose) return got == expected && signbit(got) == signbit(expected);
  int exponent;
  frexp(expected, &exponent);
  double ulp = ldexp(1, (exponent > -125 ? exponent : -125) - 24);
  return got == expected || fabs(got - expected) <= ulp + item->slack ||
         (fabs(got) > 0x1.fffffcp127 && fabs(expected) > 0x1.fffffcp127);
}

/* All elements, in their order. */
static void require_elements(Machine *machine, const Item *item) {
  sqlite3_stmt *statement;
  int code = ask(machine, "SELECT idx, value FROM tensor_elements(?1)", item->text, &statement);
  for (uint32_t e = 0; e < item->plain.numel; e++) {
    REQUIRE(code == SQLITE_ROW && sqlite3_column_int64(statement, 0) == e);
    bool is_null = sqlite3_column_type(statement, 1) == SQLITE_NULL;
    double value = is_null ? (double)NAN : sqlite3_column_double(statement, 1);
    REQUIRE(same(item, value, item->plain.values[e]));
    code = sqlite3_step(statement);
  }
  REQUIRE(code == SQLITE_DONE);
  sqlite3_finalize(statement);
}

static void require_bytes(Machine *machine, const Item *item) {
  unsigned char bytes[8 * PLAIN_LIMIT_NUMEL] = {0};
  double got[PLAIN_LIMIT_NUMEL];
  sqlite3_stmt *statement;
  const Plain *plain = &item->plain;
  uint64_t nbytes;
  bool overflow;
  if (!dtype_nbytes(plain->dtype, plain->numel, &nbytes, &overflow)) return;
  REQUIRE(ask(machine, "SELECT tensor_data(?1)", item->text, &statement) == SQLITE_ROW);
  REQUIRE((uint64_t)sqlite3_column_bytes(statement, 0) == nbytes);
  if (nbytes > 0) memcpy(bytes, sqlite3_column_blob(statement, 0), nbytes);
  decode_doubles(plain->dtype, bytes, 0, plain->numel, 1, got);
  for (uint32_t e = 0; e < plain->numel; e++) REQUIRE(same(item, got[e], plain->values[e]));
  sqlite3_finalize(statement);
}

static void require_shape(Machine *machine, const Item *item) {
  char shape[64] = "[";
  sqlite3_stmt *statement;
  const Plain *plain = &item->plain;
  for (uint32_t d = 0; d < plain->rank; d++) {
    snprintf(shape + strlen(shape), 12, "%s%u", d > 0 ? "," : "", plain->shape[d]);
  }
  strcat(shape, "]");
  REQUIRE(ask(machine, "SELECT tensor_shape(?1), tensor_dtype(?1)", item->text, &statement) ==
          SQLITE_ROW);
  REQUIRE(strcmp((const char *)sqlite3_column_text(statement, 0), shape) == 0);
  REQUIRE(strcmp((const char *)sqlite3_column_text(statement, 1), dtype_name(plain->dtype)) == 0);
  sqlite3_finalize(statement);
}

static void require_item(Machine *machine, Item *item) {
  if (item->text[0] != '{') return;
  if (!item->plain.stored) plain_convert(&item->plain, item->plain.dtype, &item->plain);
  require_shape(machine, item);
  require_elements(machine, item);
  require_bytes(machine, item);
}

/* ---- Operators: each adds its attributes to the text, and computes ---- */

typedef struct Operation {
  Machine *machine;
  Operator op;
  const Plain *args[MAX_ARGS];
  uint32_t count;
  sqlite3_str *text;
  Item *result;
} Operation;

#define FUNCTION(name, expression)                              \
  static double value_of_##name(double a, double b, double c) { \
    (void)b;                                                    \
    (void)c;                                                    \
    return expression;                                          \
  }
FUNCTION(add, a + b)
FUNCTION(sub, a - b)
FUNCTION(mul, a *b)
FUNCTION(div, a / b)
FUNCTION(greater, a > b)
FUNCTION(greater_equal, a >= b)
FUNCTION(less, a < b)
FUNCTION(less_equal, a <= b)
FUNCTION(equals, a == b)
FUNCTION(isnan, isnan(a) != 0)
FUNCTION(where, a != 0 ? b : c)
FUNCTION(neg, -a)
FUNCTION(abs, fabs(a))
FUNCTION(sign, isnan(a) ? a : (a > 0) - (a < 0))
FUNCTION(sqrt, sqrt(a))
FUNCTION(exp, exp(a))
FUNCTION(log, log(a))
FUNCTION(minimum, isnan(a) ? a : isnan(b) ? b : a < b || (a == b && signbit(a)) ? a : b)
FUNCTION(maximum, isnan(a) ? a : isnan(b) ? b : a > b || (a == b && !signbit(a)) ? a : b)

static const PlainFunction functions[OPERATOR_COUNT] = {
    [OPERATOR_IS_ADD] = value_of_add,         [OPERATOR_IS_SUB] = value_of_sub,
    [OPERATOR_IS_MUL] = value_of_mul,         [OPERATOR_IS_DIV] = value_of_div,
    [OPERATOR_IS_MINIMUM] = value_of_minimum, [OPERATOR_IS_MAXIMUM] = value_of_maximum,
    [OPERATOR_IS_GREATER] = value_of_greater, [OPERATOR_IS_GREATER_EQUAL] = value_of_greater_equal,
    [OPERATOR_IS_LESS] = value_of_less,       [OPERATOR_IS_LESS_EQUAL] = value_of_less_equal,
    [OPERATOR_IS_EQUALS] = value_of_equals,   [OPERATOR_IS_ISNAN] = value_of_isnan,
    [OPERATOR_IS_WHERE] = value_of_where,     [OPERATOR_IS_NEG] = value_of_neg,
    [OPERATOR_IS_ABS] = value_of_abs,         [OPERATOR_IS_SIGN] = value_of_sign,
    [OPERATOR_IS_SQRT] = value_of_sqrt,       [OPERATOR_IS_EXP] = value_of_exp,
    [OPERATOR_IS_LOG] = value_of_log,
};

static PlainResult apply_function(Operation *operation) {
  Operator op = operation->op;
  bool compares = op >= OPERATOR_IS_GREATER && op <= OPERATOR_IS_ISNAN;
  operation->result->is_loose = op == OPERATOR_IS_EXP || op == OPERATOR_IS_LOG;
  return plain_elementwise(functions[op], operation->args, operation->count,
                           compares ? DTYPE_F32 : DTYPE_COUNT, &operation->result->plain);
}

/* An axis, mostly one that there is. */
static int64_t add_axis(Operation *operation) {
  int64_t rank = operation->args[0]->rank;
  int64_t axis = pick(operation->machine, (uint32_t)(2 * rank + 1)) - rank;
  sqlite3_str_appendf(operation->text, ",\"axis\":%lld", axis);
  return axis;
}

static void add_list(Operation *operation, const char *name, const int64_t *list, uint32_t count) {
  sqlite3_str_appendf(operation->text, ",\"%s\":[", name);
  for (uint32_t i = 0; i < count; i++) {
    sqlite3_str_appendf(operation->text, "%s%lld", i > 0 ? "," : "", list[i]);
  }
  sqlite3_str_appendall(operation->text, "]");
}

static double add_t(Operation *operation) {
  double t = pick(operation->machine, 9) / 4.0 - 0.5;
  sqlite3_str_appendf(operation->text, ",\"t\":%!.17g", t);
  return t;
}

static double lerp_t;

static double value_of_lerp(double a, double b, double unused) {
  double part = lerp_t * (b - a);
  (void)unused;
  return a + part;
}

static PlainResult apply_lerp(Operation *operation) {
  lerp_t = add_t(operation);
  return plain_elementwise(value_of_lerp, operation->args, 2, DTYPE_COUNT,
                           &operation->result->plain);
}

/* Where squares overflow, or norms vanish, or the angle is one that rounding decides about, there is
** no one answer. */
static PlainResult apply_slerp(Operation *operation) {
  double largest = 0;
  for (int i = 0; i < 2; i++) {
    for (uint32_t e = 0; e < operation->args[i]->numel; e++) {
      double size = fabs(operation->args[i]->values[e]);
      if (size > largest || isnan(size)) largest = size;
      if (size > 0 && size < 1e-6) return PLAIN_LARGE;
    }
  }
  if (!(largest < 1e100)) return PLAIN_LARGE;
  operation->result->is_loose = true;
  operation->result->slack = largest * 1e-9;
  return plain_slerp(operation->args[0], operation->args[1], add_t(operation),
                     &operation->result->plain);
}

static PlainResult apply_over_axis(Operation *operation) {
  int64_t axis = add_axis(operation);
  return plain_over_axis(operation->args[0], axis, operation->op == OPERATOR_IS_NORM,
                         &operation->result->plain);
}

static PlainResult apply_matmul(Operation *operation) {
  return plain_matmul(operation->args[0], operation->args[1], &operation->result->plain);
}

static PlainResult apply_transpose(Operation *operation) {
  const Plain *tensor = operation->args[0];
  int64_t axes[PLAIN_LIMIT_RANK];
  uint32_t way = pick(operation->machine, 3);
  for (uint32_t d = 0; d < tensor->rank; d++) axes[d] = tensor->rank - 1 - d;
  for (uint32_t d = tensor->rank; way > 0 && d > 1; d--) { /* an order by chance */
    uint32_t other = pick(operation->machine, d);
    int64_t axis = axes[d - 1];
    axes[d - 1] = axes[other];
    axes[other] = axis;
  }
  if (way == 2 && tensor->rank > 0) axes[0] -= tensor->rank;
  if (way > 0) add_list(operation, "axes", axes, tensor->rank);
  return plain_transpose(tensor, axes, tensor->rank, &operation->result->plain);
}

/* The same elements in another shape, or one that does not fit. */
static PlainResult apply_reshape(Operation *operation) {
  const Plain *tensor = operation->args[0];
  int64_t shape[PLAIN_LIMIT_RANK];
  uint32_t rank = pick(operation->machine, PLAIN_LIMIT_RANK + 1), left = tensor->numel;
  for (uint32_t d = 0; d < rank; d++) {
    uint32_t size = 1 + pick(operation->machine, 6);
    if (d + 1 == rank || left % size != 0) size = left;
    shape[d] = size;
    left = size > 0 ? left / size : 1;
  }
  if (rank > 0 && pick(operation->machine, 2) == 1) {
    shape[pick(operation->machine, rank)] = (int64_t)pick(operation->machine, 6) - 1;
  }
  add_list(operation, "shape", shape, rank);
  return plain_reshape(tensor, shape, rank, &operation->result->plain);
}

static PlainResult apply_slice(Operation *operation) {
  const Plain *tensor = operation->args[0];
  uint32_t start[PLAIN_LIMIT_RANK], step[PLAIN_LIMIT_RANK], shape[PLAIN_LIMIT_RANK];
  bool comma = false;
  sqlite3_str_appendall(operation->text, ",\"slice\":\"");
  for (uint32_t d = 0; d < tensor->rank; d++, comma = true) {
    uint32_t size = tensor->shape[d], end = pick(operation->machine, size + 3);
    start[d] = pick(operation->machine, size + 1);
    step[d] = 1 + pick(operation->machine, 3);
    sqlite3_str_appendf(operation->text, "%s%u:%u:%u", comma ? "," : "", start[d], end, step[d]);
    if (end > size) end = size;
    shape[d] = end > start[d] ? (end - start[d] + step[d] - 1) / step[d] : 0;
  }
  sqlite3_str_appendall(operation->text, tensor->rank == 0 ? "...\"" : "\"");
  return plain_slice(tensor, start, step, shape, &operation->result->plain);
}

static PlainResult apply_take(Operation *operation) {
  int64_t axis = add_axis(operation), indices[8];
  const Plain *tensor = operation->args[0];
  int64_t along = axis < 0 ? axis + tensor->rank : axis;
  uint32_t size = along < tensor->rank ? tensor->shape[along] : 1;
  uint32_t count = pick(operation->machine, 8);
  for (uint32_t i = 0; i < count; i++) {
    indices[i] = (int64_t)pick(operation->machine, 2 * size + 1) - size;
  }
  add_list(operation, "indices", indices, count);
  return plain_take(tensor, indices, count, axis, &operation->result->plain);
}

static PlainResult apply_concat(Operation *operation) {
  int64_t axis = add_axis(operation);
  return plain_concat(operation->args, operation->count, axis, &operation->result->plain);
}

static PlainResult apply_stack(Operation *operation) {
  return plain_stack(operation->args, operation->count, &operation->result->plain);
}

static PlainResult apply_convert(Operation *operation) {
  Dtype dtype = (Dtype)pick(operation->machine, DTYPE_COUNT);
  if (dtype == DTYPE_C64) dtype = DTYPE_F16;
  sqlite3_str_appendf(operation->text, ",\"dtype\":\"%s\"", dtype_name(dtype));
  return plain_convert(operation->args[0], dtype, &operation->result->plain);
}

static bool add_shape(Operation *operation) {
  int64_t list[3];
  uint32_t shape[3], rank = pick(operation->machine, 4);
  for (uint32_t d = 0; d < rank; d++) list[d] = shape[d] = pick(operation->machine, 6);
  add_list(operation, "shape", list, rank);
  operation->result->plain = (Plain){.dtype = DTYPE_F32};
  return plain_set_shape(&operation->result->plain, shape, rank);
}

static PlainResult apply_full(Operation *operation) {
  Plain *plain = &operation->result->plain;
  if (!add_shape(operation)) return PLAIN_LARGE;
  double value = pick(operation->machine, 64) / 10.0;
  sqlite3_str_appendf(operation->text, ",\"value\":%!.17g", value);
  for (uint32_t e = 0; e < plain->numel; e++) plain->values[e] = value;
  return PLAIN_GOOD;
}

static PlainResult apply_random(Operation *operation) {
  Plain *plain = &operation->result->plain;
  if (!add_shape(operation)) return PLAIN_LARGE;
  int64_t seed = (int64_t)pick(operation->machine, 256) * 0x123456789abcd - 0x456789abcdef;
  sqlite3_str_appendf(operation->text, ",\"seed\":%lld", seed);
  for (uint32_t e = 0; e < plain->numel; e++) plain->values[e] = plain_random((uint64_t)seed, e);
  return PLAIN_GOOD;
}

static PlainResult apply_sum(Operation *operation) {
  double weights[MAX_ARGS] = {1, 1, 1, 1};
  if (pick(operation->machine, 2) == 1) {
    for (uint32_t i = 0; i < operation->count; i++) {
      weights[i] = pick(operation->machine, 40) / 10.0 - 1;
      sqlite3_str_appendf(operation->text, "%s%!.17g", i > 0 ? "," : ",\"weights\":[", weights[i]);
    }
    sqlite3_str_appendall(operation->text, "]");
  }
  return plain_sum(operation->args, weights, operation->count, operation->op == OPERATOR_IS_AVERAGE,
                   &operation->result->plain);
}

static PlainResult apply(Operation *operation) {
  switch (operation->op) {
    case OPERATOR_IS_NORM:
    case OPERATOR_IS_TOTAL: return apply_over_axis(operation);
    case OPERATOR_IS_LERP: return apply_lerp(operation);
    case OPERATOR_IS_SLERP: return apply_slerp(operation);
    case OPERATOR_IS_MATMUL: return apply_matmul(operation);
    case OPERATOR_IS_TRANSPOSE: return apply_transpose(operation);
    case OPERATOR_IS_RESHAPE: return apply_reshape(operation);
    case OPERATOR_IS_SLICE: return apply_slice(operation);
    case OPERATOR_IS_TAKE: return apply_take(operation);
    case OPERATOR_IS_CONCAT: return apply_concat(operation);
    case OPERATOR_IS_STACK: return apply_stack(operation);
    case OPERATOR_IS_CONVERT: return apply_convert(operation);
    case OPERATOR_IS_FULL: return apply_full(operation);
    case OPERATOR_IS_RANDOM: return apply_random(operation);
    case OPERATOR_IS_SUM:
    case OPERATOR_IS_AVERAGE: return apply_sum(operation);
    default: return apply_function(operation);
  }
}

/* ---- The program ---- */

/* Numbers may stand where the operator allows them, but not alone. */
static bool numbers_fit(const OperatorTraits *traits, const Operation *operation) {
  uint32_t numbers = 0;
  for (uint32_t i = 0; i < operation->count; i++) numbers += operation->args[i]->is_number;
  return numbers == 0 ||
         ((traits->attributes & OPERATOR_NUMBERS) != 0 && numbers < operation->count);
}

/* The expression so far as a string within a string: an argument may be either. */
static void append_quoted(sqlite3_str *text, const char *json) {
  sqlite3_str_appendall(text, "\"");
  for (; *json != '\0'; json++) {
    if (*json == '"' || *json == '\\') sqlite3_str_appendall(text, "\\");
    sqlite3_str_appendchar(text, 1, *json);
  }
  sqlite3_str_appendall(text, "\"");
}

static void add_args(Operation *operation, Item *items, uint32_t count) {
  sqlite3_str_appendall(operation->text, ",\"args\":[");
  for (uint32_t i = 0; i < count; i++) {
    operation->args[i] = &items[i].plain;
    if (i > 0) sqlite3_str_appendall(operation->text, ",");
    if (items[i].text[0] == '{' && pick(operation->machine, 8) == 1) {
      append_quoted(operation->text, items[i].text);
    } else {
      sqlite3_str_appendall(operation->text, items[i].text);
    }
    sqlite3_free(items[i].text);
  }
  sqlite3_str_appendall(operation->text, "]");
}

/* Applies an operator to the last items. What is loose, or too large to go on with, is left at that. */
static void apply_operator(Machine *machine, Operator op) {
  const OperatorTraits *traits = &OPERATOR_TRAITS[op];
  Item items[MAX_ARGS], result = {0};
  uint32_t most = traits->most < MAX_ARGS ? traits->most : MAX_ARGS;
  uint32_t count = traits->fewest + pick(machine, most - traits->fewest + 1);
  Operation operation = {.machine = machine, .op = op, .count = count, .result = &result};
  pop(machine, count, items);
  operation.text = sqlite3_str_new(NULL);
  sqlite3_str_appendf(operation.text, "{\"op\":\"%s\"", traits->name);
  if (count > 0) add_args(&operation, items, count);
  PlainResult outcome = numbers_fit(traits, &operation) ? apply(&operation) : PLAIN_REFUSED;
  sqlite3_str_appendall(operation.text, "}");
  result.text = sqlite3_str_finish(operation.text);
  REQUIRE(result.text != NULL);
  if (outcome == PLAIN_REFUSED) require_refusal(machine, result.text);
  if (outcome == PLAIN_GOOD && result.is_loose) require_item(machine, &result);
  if (outcome == PLAIN_GOOD && !result.is_loose && strlen(result.text) <= MAX_TEXT) {
    push(machine, &result);
  } else {
    sqlite3_free(result.text);
  }
}

static void run(Machine *machine) {
  while (machine->input.at < machine->input.size) {
    uint32_t choice = pick(machine, OPERATOR_COUNT + 1);
    if (choice == OPERATOR_IS_TENSOR) {
      push_leaf(machine);
    } else if (choice == OPERATOR_IS_NUMBER) {
      push_number(machine);
    } else if (choice == OPERATOR_COUNT) {
      push_copy(machine);
    } else if (choice == OPERATOR_IS_DEQUANTIZE || choice == OPERATOR_IS_DELTA) {
      continue; /* formula.c attacks them */
    } else {
      apply_operator(machine, (Operator)choice);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool has_file = false;
  if (!has_file) make_file();
  has_file = true;
  Machine machine = {.input = {data, size, 0}, .db = fuzz_connect()};
  if (pick(&machine, 2) == 1) {
    sqlite3_exec(machine.db, "SELECT safetensors_config('io', 'pread')", NULL, NULL, NULL);
  }
  run(&machine);
  for (uint32_t i = 0; i < machine.depth; i++) {
    require_item(&machine, &machine.stack[i]);
    sqlite3_free(machine.stack[i].text);
  }
  disconnect(machine.db);
  return 0;
}
