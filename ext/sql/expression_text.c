#include "sql/expression_text.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "expression/node.h"
#include "json/json_string.h"
#include "sql/number_argument.h"
#include "sql/result.h"

typedef struct ExpressionText {
  const char *text;
  uint64_t length;
} ExpressionText;

const char *expression_text_found(sqlite3_value *value, char *buffer) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) return "NULL";
  if (type == SQLITE_BLOB) return "a BLOB";
  const char *text = (const char *)sqlite3_value_text(value);
  if (text == NULL) return "a text";
  sqlite3_snprintf(EXPRESSION_TEXT_FOUND_SIZE, buffer, type == SQLITE_TEXT ? "\"%.*s\"" : "%.*s",
                   ERROR_NAME(text, (uint64_t)sqlite3_value_bytes(value)));
  return buffer;
}

static bool expression_text_take(sqlite3_value *value, ExpressionText *taken, Error *error) {
  taken->text = (const char *)sqlite3_value_text(value);
  taken->length = (uint64_t)sqlite3_value_bytes(value);
  return taken->text != NULL || error_memory(error);
}

static bool expression_text_too_long(uint64_t length, const char *subject, Error *error) {
  return error_raise(error, ERROR_ARGUMENT, subject,
                     "expected an expression of at most 1 MB of text (1048576 bytes), found %llu",
                     (unsigned long long)length);
}

/* ---- One argument ---- */

/* Appends text that begins with '{'. */
static bool expression_text_append_object(sqlite3_str *out, const ExpressionText *from,
                                          const char *subject, Error *error) {
  uint64_t length = from->length, end;
  while (length > 0 && json_is_space(from->text[length - 1])) length--;
  end = tokens_object_length(from->text, length);
  if (end == 0 || end != length) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected an expression, which is one JSON object, found \"%.*s\"",
                       ERROR_NAME(from->text, from->length));
  }
  sqlite3_str_append(out, from->text, (int)length);
  return true;
}

static bool expression_text_is_utf8(const ExpressionText *text, const char *subject, Error *error) {
  return utf8_valid_length(text->text, text->length) == text->length ||
         error_raise(error, ERROR_ARGUMENT, subject,
                     "expected text in UTF-8, found a byte that does not belong to it");
}

/* Appends a text, which is a ref or an expression. */
static bool expression_text_append(sqlite3_str *out, const ExpressionText *from,
                                   const char *subject, const char *expected, Error *error) {
  if (from->length > EXPRESSION_MAX_LENGTH) {
    return expression_text_too_long(from->length, subject, error);
  }
  if (!expression_text_is_utf8(from, subject, error)) return false;
  if (expression_is(from->text, from->length)) {
    return expression_text_append_object(out, from, subject, error);
  }
  if (memchr(from->text, '#', (size_t)from->length) == NULL) {
    return error_raise(error, ERROR_ARGUMENT, subject, "expected %s, found \"%.*s\"", expected,
                       ERROR_NAME(from->text, from->length));
  }
  json_string_append(out, from->text, from->length);
  return true;
}

bool expression_text_number(sqlite3_value *value, double *number) {
  NumberArgument read = number_argument_read(value);
  *number = read.real;
  if (read.type == SQLITE_INTEGER || read.type == SQLITE_FLOAT) return true;
  const char *text = read.type == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
  return text != NULL && tokens_is_infinity(text, (uint64_t)sqlite3_value_bytes(value), number);
}

bool expression_text_argument(sqlite3_str *out, Operator op, sqlite3_value *value,
                              const char *subject, bool *is_number, Error *error) {
  bool numbers = (OPERATOR_TRAITS[op].attributes & OPERATOR_NUMBERS) != 0;
  const char *expected =
      numbers ? "a ref PATH#NAME, an expression or a number" : "a ref PATH#NAME or an expression";
  double number;
  *is_number = numbers && expression_text_number(value, &number);
  if (*is_number) {
    members_append_number(out, number);
    return true;
  }
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  if (sqlite3_value_type(value) != SQLITE_TEXT) {
    return error_raise(error, ERROR_ARGUMENT, subject, "expected %s, found %s", expected,
                       expression_text_found(value, buffer));
  }
  ExpressionText from;
  return expression_text_take(value, &from, error) &&
         expression_text_append(out, &from, subject, expected, error);
}

/* ---- An array of arguments ---- */

bool expression_text_is_array(sqlite3_value *value) {
  if (sqlite3_value_type(value) != SQLITE_TEXT) return false;
  const char *text = (const char *)sqlite3_value_text(value);
  return text != NULL && text[0] == '[';
}

static bool expression_text_append_item(sqlite3_str *out, Tokens *tokens) {
  static const char expected[] = "a ref PATH#NAME or an expression";
  JsonCursor *cursor = &tokens->cursor;
  ExpressionText item;
  Span span;
  if (json_cursor_peek(cursor) == '{') {
    item.text = cursor->text + cursor->at;
    item.length =
        tokens_object_length(cursor->text + cursor->at, (uint64_t)cursor->length - cursor->at);
    if (item.length == 0) return tokens_refuse(tokens, "the end of an object");
    cursor->at += (uint32_t)item.length;
  } else {
    if (!tokens_take_text(tokens, expected, &span)) return false;
    item = (ExpressionText){cursor->text + span.offset, span.length};
  }
  return expression_text_append(out, &item, tokens->subject, expected, tokens->error);
}

static bool expression_text_append_items(sqlite3_str *out, Tokens *tokens, const char *subject,
                                         uint64_t *count) {
  char item[EXPRESSION_TEXT_SUBJECT + 32];
  *count = 0;
  if (!tokens_take(tokens, '[', "an array")) return false;
  tokens->subject = item;
  bool empty = json_cursor_take(&tokens->cursor, ']');
  while (!empty) {
    sqlite3_snprintf((int)sizeof item, item, "%s: [%llu]", subject, (unsigned long long)*count);
    if (*count > 0) sqlite3_str_appendchar(out, 1, ',');
    if (!expression_text_append_item(out, tokens)) return false;
    ++*count;
    if (!json_cursor_take(&tokens->cursor, ',')) break;
  }
  tokens->subject = subject;
  if (!empty && !tokens_take(tokens, ']', "',' or ']'")) return false;
  json_cursor_skip_space(&tokens->cursor);
  return tokens->cursor.at == tokens->cursor.length ||
         tokens_refuse(tokens, "nothing behind the array");
}

/* Opens a copy of a JSON text for reading; memory_free() releases it. NULL after an error. */
static char *expression_text_open(sqlite3_value *value, const char *subject, Tokens *tokens,
                                  Error *error) {
  ExpressionText from;
  if (!expression_text_take(value, &from, error)) return NULL;
  /* It may have expressions as strings, in which each quote is escaped. */
  if (from.length > 2 * (uint64_t)EXPRESSION_MAX_LENGTH) {
    expression_text_too_long(from.length, subject, error);
    return NULL;
  }
  char *copy = memory_copy_text(from.text, from.length);
  if (copy == NULL) error_memory(error);
  *tokens = (Tokens){.cursor = {.text = copy, .length = (uint32_t)from.length},
                     .subject = subject,
                     .error = error};
  return copy;
}

bool expression_text_array(sqlite3_str *out, sqlite3_value *value, const char *subject,
                           uint64_t *count, Error *error) {
  Tokens tokens;
  char *copy = expression_text_open(value, subject, &tokens, error);
  bool good = copy != NULL && expression_text_append_items(out, &tokens, subject, count);
  memory_free(copy);
  return good;
}

/* ---- Parts and options ---- */

static bool expression_text_append_part(sqlite3_str *out, Tokens *tokens, const char *subject,
                                        Members *members) {
  char about[EXPRESSION_TEXT_SUBJECT + MEMBERS_MAX_ROLE + 8];
  Span role;
  bool first = members->roles_length == 0;
  tokens->subject = subject;
  if (!tokens_take_text(tokens, "a role in quotes", &role)) return false;
  const char *name = tokens->cursor.text + role.offset;
  if (!members_add_role(members, name, role.length, subject, tokens->error) ||
      !tokens_take(tokens, ':', "':'")) {
    return false;
  }
  sqlite3_str_appendf(out, "%s\"%.*s\":", first ? "" : ",", (int)role.length, name);
  sqlite3_snprintf((int)sizeof about, about, "%s: %.*s", subject, (int)role.length, name);
  tokens->subject = about;
  bool good = expression_text_append_item(out, tokens);
  tokens->subject = subject;
  return good;
}

static bool expression_text_append_parts(sqlite3_str *out, Tokens *tokens, const char *subject,
                                         Members *members) {
  bool more = tokens_take(tokens, '{', "an object");
  if (!more || json_cursor_take(&tokens->cursor, '}')) return more;
  while (more) {
    if (!expression_text_append_part(out, tokens, subject, members)) return false;
    more = json_cursor_take(&tokens->cursor, ',');
  }
  if (!tokens_take(tokens, '}', "',' or '}'")) return false;
  json_cursor_skip_space(&tokens->cursor);
  return tokens->cursor.at == tokens->cursor.length ||
         tokens_refuse(tokens, "nothing behind the object");
}

static bool expression_text_refuse_object(sqlite3_value *value, const char *what,
                                          const char *subject, Error *error) {
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  return error_raise(error, ERROR_ARGUMENT, subject, "expected a JSON object as %s, found %s", what,
                     expression_text_found(value, buffer));
}

bool expression_text_parts(sqlite3_str *out, sqlite3_value *value, const char *subject,
                           Members *members, Error *error) {
  if (sqlite3_value_type(value) != SQLITE_TEXT)
    return expression_text_refuse_object(value, "parts", subject, error);
  Tokens tokens;
  char *copy = expression_text_open(value, subject, &tokens, error);
  bool good = copy != NULL && expression_text_append_parts(out, &tokens, subject, members);
  memory_free(copy);
  return good;
}

bool expression_text_object(sqlite3_str *out, sqlite3_value *value, const char *what,
                            const char *subject, Error *error) {
  ExpressionText from;
  if (sqlite3_value_type(value) != SQLITE_TEXT)
    return expression_text_refuse_object(value, what, subject, error);
  if (!expression_text_take(value, &from, error)) return false;
  if (from.length > EXPRESSION_MAX_LENGTH)
    return expression_text_too_long(from.length, subject, error);
  if (!expression_is(from.text, from.length))
    return expression_text_refuse_object(value, what, subject, error);
  return expression_text_is_utf8(&from, subject, error) &&
         expression_text_append_object(out, &from, subject, error);
}

/* ---- Attributes ---- */

static bool expression_text_refuse(const MemberName *name, const char *expected,
                                   sqlite3_value *value, const char *subject, Error *error) {
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  return error_raise(error, ERROR_ARGUMENT, subject, "expected %s as %s, found %s", expected,
                     name->name, expression_text_found(value, buffer));
}

/* Reads a JSON array, which the members keep. */
static bool expression_text_list(Members *members, const MemberName *name,
                                 const ExpressionText *from, const char *subject, Error *error) {
  char about[EXPRESSION_TEXT_SUBJECT + 16];
  sqlite3_snprintf((int)sizeof about, about, "%s: %s", subject, name->name);
  if (from->length > EXPRESSION_MAX_LENGTH) {
    return expression_text_too_long(from->length, subject, error);
  }
  char *copy = memory_copy_text(from->text, from->length);
  if (copy == NULL) return error_memory(error);
  Tokens tokens = {
      .cursor = {.text = copy, .length = (uint32_t)from->length}, .subject = about, .error = error};
  bool good = members_take(members, name->attribute, &tokens);
  json_cursor_skip_space(&tokens.cursor);
  good = good && (tokens.cursor.at == tokens.cursor.length ||
                  tokens_refuse(&tokens, "nothing behind the array"));
  memory_free(copy);
  return good;
}

static bool expression_text_integer(Members *members, const MemberName *name, sqlite3_value *value,
                                    const char *subject, Error *error) {
  NumberArgument read = number_argument_read(value);
  if (read.type != SQLITE_INTEGER) {
    return expression_text_refuse(name, "an integer", value, subject, error);
  }
  *(name->attribute == OPERATOR_AXIS ? &members->axis : &members->seed) = read.integer;
  return true;
}

/* Reads a text: the name of a dtype, a slice or a list. */
static bool expression_text_text(Members *members, const MemberName *name, sqlite3_value *value,
                                 const char *subject, Error *error) {
  ExpressionText from;
  if (sqlite3_value_type(value) == SQLITE_BLOB) {
    return expression_text_refuse(name, "a text", value, subject, error);
  }
  if (!expression_text_take(value, &from, error)) return false;
  switch (name->attribute) {
    case OPERATOR_DTYPE:
      return dtype_find(from.text, from.length, &members->dtype) ||
             expression_text_refuse(name, "a known dtype (F32, BF16, I64, ...)", value, subject,
                                    error);
    case OPERATOR_SLICE:
      members->text = from.text;
      members->text_length = from.length;
      if (from.length > EXPRESSION_MAX_LENGTH) {
        return expression_text_too_long(from.length, subject, error);
      }
      return expression_text_is_utf8(&from, subject, error);
    default: return expression_text_list(members, name, &from, subject, error);
  }
}

bool expression_text_attribute(Members *members, const MemberName *name, sqlite3_value *value,
                               const char *subject, Error *error) {
  members->given |= name->attribute;
  switch (name->attribute) {
    case OPERATOR_AXIS:
    case OPERATOR_SEED: return expression_text_integer(members, name, value, subject, error);
    case OPERATOR_VALUE:
    case OPERATOR_T:
      return expression_text_number(value, &members->value) ||
             expression_text_refuse(name, "a number", value, subject, error);
    default: return expression_text_text(members, name, value, subject, error);
  }
}

void expression_text_result(sqlite3_context *context, sqlite3_str *out, const char *subject) {
  int length = sqlite3_str_length(out);
  if (length <= EXPRESSION_MAX_LENGTH) {
    result_string(context, out);
    return;
  }
  Error error = {0};
  sqlite3_free(sqlite3_str_finish(out));
  expression_text_too_long((uint64_t)length, subject, &error);
  result_error(context, &error);
}
