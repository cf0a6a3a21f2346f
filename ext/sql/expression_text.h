/*
** The text of an expression, built from SQL values: the name of its operator, its arguments, its
** attributes. An argument that is an expression is inserted as the object that it is, not as a
** string, so that a text is only as much longer than its arguments as an operator needs.
*/
#ifndef SAFETENSORS_SQL_EXPRESSION_TEXT_H
#define SAFETENSORS_SQL_EXPRESSION_TEXT_H

#include "base/error.h"
#include "base/sqlite.h"
#include "expression/members.h"
#include "expression/operators.h"

enum { EXPRESSION_TEXT_SUBJECT = 48 /* more than the name of a function */ };

/* Appends a value as an argument of the operator: a ref or an expression, or, if the operator allows
** them, a number, for which it sets *is_number. It must not be NULL. Returns false with an error
** about `subject` if it is something else, or longer than the text of an expression may be. Errors
** of `out` itself are only reported by sqlite3_str_errcode(). */
bool expression_text_argument(sqlite3_str *out, Operator op, sqlite3_value *value,
                              const char *subject, bool *is_number, Error *error);

/* Appends the items of a JSON array, strings and objects, as arguments, with commas between them. */
bool expression_text_array(sqlite3_str *out, sqlite3_value *value, const char *subject,
                           uint64_t *count, Error *error);

/* Appends the members of a JSON object, roles and strings or objects, as parts, with commas between
** them. `members` collects the roles. */
bool expression_text_parts(sqlite3_str *out, sqlite3_value *value, const char *subject,
                           Members *members, Error *error);

/* Appends a value that is the text of a JSON object, as it stands. `what` names it in messages. */
bool expression_text_object(sqlite3_str *out, sqlite3_value *value, const char *what,
                            const char *subject, Error *error);

/* Whether a value is text that begins as a JSON array does. */
bool expression_text_is_array(sqlite3_value *value);

/* Reads a value as a number: also the texts "inf" and "-inf". Returns false if it is none. */
bool expression_text_number(sqlite3_value *value, double *number);

/* Reads a value as an attribute of the operator. */
bool expression_text_attribute(Members *members, const MemberName *name, sqlite3_value *value,
                               const char *subject, Error *error);

/* Returns a value in words for a message, in `buffer`, of EXPRESSION_TEXT_FOUND_SIZE bytes. */
enum { EXPRESSION_TEXT_FOUND_SIZE = 160 };
const char *expression_text_found(sqlite3_value *value, char *buffer);

/* Sets the result to the text that `out` has, if it is not longer than the text of an expression may
** be, and releases `out`. */
void expression_text_result(sqlite3_context *context, sqlite3_str *out, const char *subject);

#endif
