#include "expression/members.h"

#include <math.h>

#include "base/arithmetic.h"
#include "base/memory.h"
#include "json/json_string.h"
#include "tensor/decimal.h"

typedef unsigned long long MembersBig; /* for "%llu" */

const MemberName MEMBER_NAMES[MEMBERS_COUNT] = {
    {"axes", OPERATOR_AXES},       {"shape", OPERATOR_SHAPE},   {"slice", OPERATOR_SLICE},
    {"indices", OPERATOR_INDICES}, {"axis", OPERATOR_AXIS},     {"dtype", OPERATOR_DTYPE},
    {"value", OPERATOR_VALUE},     {"seed", OPERATOR_SEED},     {"t", OPERATOR_T},
    {"weights", OPERATOR_WEIGHTS}, {"scheme", OPERATOR_SCHEME}, {"kind", OPERATOR_KIND},
    {"options", OPERATOR_OPTIONS},
};

enum {
  MEMBERS_LISTS = OPERATOR_AXES | OPERATOR_SHAPE | OPERATOR_INDICES,
  MEMBERS_OPTIONAL = OPERATOR_AXES | OPERATOR_WEIGHTS | OPERATOR_OPTIONS
};

const MemberName *members_find(const char *name, uint64_t length) {
  for (int i = 0; i < MEMBERS_COUNT; i++) {
    const char *known = MEMBER_NAMES[i].name;
    if (strlen(known) == length && memcmp(known, name, (size_t)length) == 0) {
      return &MEMBER_NAMES[i];
    }
  }
  return NULL;
}

void members_clear(Members *members) {
  memory_free(members->list);
  memory_free(members->weights);
  memory_free(members->roles);
  *members = (Members){0};
}

/* ---- Reading ---- */

static bool members_take_list_item(Members *members, Tokens *tokens) {
  return (memory_reserve((void **)&members->list, &members->list_capacity, members->list_count,
                         sizeof *members->list) ||
          error_memory(tokens->error)) &&
         tokens_take_integer(tokens, &members->list[members->list_count++]);
}

bool members_add_weight(Members *members, double weight, Error *error) {
  if (!memory_reserve((void **)&members->weights, &members->weight_capacity, members->weight_count,
                      sizeof *members->weights)) {
    return error_memory(error);
  }
  members->weights[members->weight_count++] = weight;
  members->given |= OPERATOR_WEIGHTS;
  return true;
}

static bool members_take_weight(Members *members, Tokens *tokens) {
  double weight;
  return tokens_take_number(tokens, &weight) && members_add_weight(members, weight, tokens->error);
}

static bool members_take_array(Members *members, Tokens *tokens, const char *expected,
                               bool (*take_item)(Members *members, Tokens *tokens)) {
  if (!json_cursor_take(&tokens->cursor, '[')) return tokens_refuse_value(tokens, expected);
  if (json_cursor_take(&tokens->cursor, ']')) return true;
  do {
    if (!take_item(members, tokens)) return false;
  } while (json_cursor_take(&tokens->cursor, ','));
  return tokens_take(tokens, ']', "',' or ']'");
}

static bool members_take_dtype(Members *members, Tokens *tokens) {
  Span span;
  if (!tokens_take_text(tokens, "the name of a dtype", &span)) return false;
  const char *name = tokens->cursor.text + span.offset;
  return dtype_find(name, span.length, &members->dtype) ||
         error_raise(tokens->error, ERROR_ARGUMENT, tokens->subject,
                     "expected a known dtype (F32, BF16, I64, ...), found \"%.*s\"",
                     ERROR_NAME(name, span.length));
}

static bool members_take_text(Members *members, Tokens *tokens, const char *expected) {
  Span span;
  if (!tokens_take_text(tokens, expected, &span)) return false;
  members->text = tokens->cursor.text + span.offset;
  members->text_length = span.length;
  return true;
}

static bool members_take_options(Members *members, Tokens *tokens) {
  Span span = {0};
  if (!tokens_take_object(tokens, &span)) return false;
  members->options = tokens->cursor.text + span.offset;
  members->options_length = span.length;
  return true;
}

static bool members_is_role(const char *role, uint64_t length) {
  static const char others[] = "_.-";
  for (uint64_t i = 0; i < length; i++) {
    char byte = role[i];
    bool usual = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                 (byte >= '0' && byte <= '9') || (byte != '\0' && strchr(others, byte) != NULL);
    if (!usual) return false;
  }
  return length > 0 && length <= MEMBERS_MAX_ROLE;
}

bool members_add_role(Members *members, const char *role, uint64_t length, const char *subject,
                      Error *error) {
  if (!members_is_role(role, length)) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected a role of letters, digits, '_', '.' and '-', found \"%.*s\"",
                       ERROR_NAME(role, length));
  }
  for (uint64_t at = 0, size; at < members->roles_length; at += size + 1) {
    size = strlen(members->roles + at);
    if (size != length || memcmp(members->roles + at, role, (size_t)length) != 0) continue;
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected each role once, found \"%.*s\" again", ERROR_NAME(role, length));
  }
  for (uint64_t i = 0; i <= length; i++) {
    if (!memory_reserve((void **)&members->roles, &members->roles_capacity, members->roles_length,
                        1)) {
      return error_memory(error);
    }
    members->roles[members->roles_length++] = i < length ? role[i] : '\0';
  }
  return true;
}

bool members_take(Members *members, OperatorAttribute attribute, Tokens *tokens) {
  static const char integers[] = "an array of integers", numbers[] = "an array of numbers";
  members->given |= attribute;
  switch (attribute) {
    case OPERATOR_AXIS: return tokens_take_integer(tokens, &members->axis);
    case OPERATOR_SEED: return tokens_take_integer(tokens, &members->seed);
    case OPERATOR_DTYPE: return members_take_dtype(members, tokens);
    case OPERATOR_SLICE: return members_take_text(members, tokens, "a slice as a string");
    case OPERATOR_SCHEME: return members_take_text(members, tokens, "the name of a scheme");
    case OPERATOR_KIND: return members_take_text(members, tokens, "the name of a kind");
    case OPERATOR_OPTIONS: return members_take_options(members, tokens);
    case OPERATOR_VALUE:
    case OPERATOR_T: return tokens_take_number(tokens, &members->value);
    case OPERATOR_WEIGHTS: return members_take_array(members, tokens, numbers, members_take_weight);
    default:
      members->list_count = 0;
      return members_take_array(members, tokens, integers, members_take_list_item);
  }
}

/* ---- What they may be ---- */

static bool members_check_given(const Members *members, Operator op, const char *subject,
                                Error *error) {
  const OperatorTraits *traits = &OPERATOR_TRAITS[op];
  for (int i = 0; i < MEMBERS_COUNT; i++) {
    const MemberName *known = &MEMBER_NAMES[i];
    bool given = (members->given & known->attribute) != 0;
    bool wanted = (traits->attributes & known->attribute) != 0;
    bool optional = (MEMBERS_OPTIONAL & known->attribute) != 0;
    if (given && !wanted) {
      return error_raise(error, ERROR_ARGUMENT, subject, "expected no \"%s\" for %s, found one",
                         known->name, traits->name);
    }
    if (wanted && !given && !optional) {
      return error_raise(error, ERROR_ARGUMENT, subject, "expected \"%s\" for %s, found none",
                         known->name, traits->name);
    }
  }
  return true;
}

/* Each of the dimensions once; negative ones count from the end. */
static bool members_check_axes(const Members *members, const char *subject, Error *error) {
  int64_t count = (int64_t)members->list_count;
  bool *seen = memory_zeroed(members->list_count, sizeof *seen);
  if (seen == NULL) return error_memory(error);
  bool good = true;
  for (int64_t i = 0; i < count && good; i++) {
    int64_t axis = members->list[i], at = axis < 0 ? axis + count : axis;
    good = at >= 0 && at < count && !seen[at];
    if (good) {
      seen[at] = true;
    } else {
      error_fill(error, ERROR_ARGUMENT, subject,
                 "expected each of %lld dimensions once as \"axes\", found %lld", (long long)count,
                 (long long)axis);
    }
  }
  memory_free(seen);
  return good;
}

/* The product of the dimensions that are not -1, of which there may be one in a reshape. */
static bool members_check_shape(const Members *members, Operator op, const char *subject,
                                Error *error) {
  uint64_t numel = 1, unknown = 0;
  bool beyond = false, empty = false;
  for (uint64_t i = 0; i < members->list_count; i++) {
    int64_t dimension = members->list[i];
    bool is_unknown = dimension == -1 && op == OPERATOR_IS_RESHAPE;
    if (is_unknown && unknown++ > 0) {
      return error_raise(error, ERROR_ARGUMENT, subject,
                         "expected at most one -1 in the shape, found another");
    }
    if (!is_unknown && dimension < 0) {
      return error_raise(error, ERROR_ARGUMENT, subject,
                         "expected dimensions of 0 or more as \"shape\", found %lld",
                         (long long)dimension);
    }
    empty = empty || dimension == 0;
    if (!is_unknown && dimension > 0) {
      beyond = beyond || __builtin_mul_overflow(numel, (uint64_t)dimension, &numel);
    }
  }
  if (empty) return true;
  if (op != OPERATOR_IS_RESHAPE && (beyond || numel > MEMBERS_MAX_NUMEL)) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected at most 2^40 elements in the shape of %s, found more",
                       OPERATOR_TRAITS[op].name);
  }
  return !beyond || error_raise(error, ERROR_ARGUMENT, subject,
                                "expected a shape below 2^64 elements, found more");
}

static bool members_check_weights(const Members *members, Operator op, uint64_t arg_count,
                                  const char *subject, Error *error) {
  double total = 0;
  if (members->weight_count != arg_count) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected one weight for each of %llu arguments, found %llu",
                       (MembersBig)arg_count, (MembersBig)members->weight_count);
  }
  for (uint64_t i = 0; i < members->weight_count; i++) total += members->weights[i];
  return op != OPERATOR_IS_AVERAGE || total != 0 ||
         error_raise(error, ERROR_ARGUMENT, subject,
                     "expected weights with a sum other than 0, found 0");
}

static bool members_check_arg_count(Operator op, uint64_t count, const char *subject,
                                    Error *error) {
  const OperatorTraits *traits = &OPERATOR_TRAITS[op];
  if (count >= traits->fewest && count <= traits->most) return true;
  return error_raise(error, ERROR_ARGUMENT, subject, "expected %s%u argument%s for %s, found %llu",
                     traits->most == traits->fewest ? "" : "at least ", traits->fewest,
                     traits->fewest == 1 ? "" : "s", traits->name, (MembersBig)count);
}

bool members_check(const Members *members, Operator op, uint64_t arg_count, const char *subject,
                   Error *error) {
  unsigned given = members->given;
  return members_check_arg_count(op, arg_count, subject, error) &&
         members_check_given(members, op, subject, error) &&
         ((given & OPERATOR_AXES) == 0 || members_check_axes(members, subject, error)) &&
         ((given & OPERATOR_SHAPE) == 0 || members_check_shape(members, op, subject, error)) &&
         ((given & OPERATOR_WEIGHTS) == 0 ||
          members_check_weights(members, op, arg_count, subject, error));
}

/* ---- Writing ---- */

void members_append_number(sqlite3_str *out, double value) {
  char buffer[DECIMAL_SIZE];
  if (isinf(value)) {
    sqlite3_str_appendall(out, value < 0 ? "\"-inf\"" : "\"inf\"");
  } else {
    sqlite3_str_append(out, buffer, decimal_format(value, buffer));
  }
}

static void members_append_list(sqlite3_str *out, const Members *members) {
  for (uint64_t i = 0; i < members->list_count; i++) {
    sqlite3_str_appendf(out, "%c%lld", i == 0 ? '[' : ',', (long long)members->list[i]);
  }
  sqlite3_str_appendall(out, members->list_count == 0 ? "[]" : "]");
}

static void members_append_weights(sqlite3_str *out, const Members *members) {
  for (uint64_t i = 0; i < members->weight_count; i++) {
    sqlite3_str_appendchar(out, 1, i == 0 ? '[' : ',');
    members_append_number(out, members->weights[i]);
  }
  sqlite3_str_appendall(out, members->weight_count == 0 ? "[]" : "]");
}

static void members_append_one(sqlite3_str *out, const Members *members,
                               OperatorAttribute attribute) {
  switch (attribute) {
    case OPERATOR_AXIS: sqlite3_str_appendf(out, "%lld", (long long)members->axis); break;
    case OPERATOR_SEED: sqlite3_str_appendf(out, "%lld", (long long)members->seed); break;
    case OPERATOR_DTYPE:
      json_string_append(out, dtype_name(members->dtype), strlen(dtype_name(members->dtype)));
      break;
    case OPERATOR_SLICE:
    case OPERATOR_SCHEME:
    case OPERATOR_KIND: json_string_append(out, members->text, members->text_length); break;
    case OPERATOR_OPTIONS:
      sqlite3_str_append(out, members->options, (int)members->options_length);
      break;
    case OPERATOR_VALUE:
    case OPERATOR_T: members_append_number(out, members->value); break;
    case OPERATOR_WEIGHTS: members_append_weights(out, members); break;
    default: members_append_list(out, members);
  }
}

void members_append(sqlite3_str *out, const Members *members) {
  for (int i = 0; i < MEMBERS_COUNT; i++) {
    const MemberName *known = &MEMBER_NAMES[i];
    if ((members->given & known->attribute) == 0) continue;
    sqlite3_str_appendf(out, ",\"%s\":", known->name);
    members_append_one(out, members, known->attribute);
  }
}
