/*
** The attributes of an operator: reading them, as members of a JSON object, writing them, and what
** they may be. Whether they suit the shapes of the arguments is not known here.
*/
#ifndef SAFETENSORS_EXPRESSION_MEMBERS_H
#define SAFETENSORS_EXPRESSION_MEMBERS_H

#include "base/sqlite.h"
#include "expression/operators.h"
#include "expression/tokens.h"
#include "format/dtype.h"

/* The maximum number of elements of "full" and "random", which take no file to be large. */
#define MEMBERS_MAX_NUMEL ((uint64_t)1 << 40)

/* Starts as {0}. */
typedef struct Members {
  unsigned given; /* a set of OperatorAttribute */
  int64_t axis, seed;
  double value; /* "value", "t" */
  Dtype dtype;
  const char *text; /* "slice", "scheme", "kind"; in the text that it was read from */
  uint64_t text_length;
  const char *options; /* as it stands in that text, an object */
  uint64_t options_length;
  char *roles; /* of the arguments, each ending with NUL */
  uint64_t roles_length, roles_capacity;
  int64_t *list; /* "axes", "shape", "indices", of which no operator has two */
  uint64_t list_count, list_capacity;
  double *weights;
  uint64_t weight_count, weight_capacity;
} Members;

/* The attributes, in the order of the arguments in SQL, which is also that in a text. */
enum { MEMBERS_COUNT = 13 };

typedef struct MemberName {
  const char *name;
  OperatorAttribute attribute;
} MemberName;

extern const MemberName MEMBER_NAMES[MEMBERS_COUNT];

/* The attribute of that name; NULL if there is none. */
const MemberName *members_find(const char *name, uint64_t length);

/* Takes the value of an attribute that is not given yet. */
bool members_take(Members *members, OperatorAttribute attribute, Tokens *tokens);

/* Adds the role of the next argument: letters, digits, '_', '.' and '-', at most MEMBERS_MAX_ROLE of
** them, none of those before. */
enum { MEMBERS_MAX_ROLE = 64 };
bool members_add_role(Members *members, const char *role, uint64_t length, const char *subject,
                      Error *error);

/* Adds a weight. */
bool members_add_weight(Members *members, double weight, Error *error);

/* Whether these are the attributes of an operator with so many arguments. */
bool members_check(const Members *members, Operator op, uint64_t arg_count, const char *subject,
                   Error *error);

/* Appends a number as the text of an expression has it, which reads back as the same double. It must
** not be NaN. */
void members_append_number(sqlite3_str *out, double value);

/* Appends the members, each with a comma before it. */
void members_append(sqlite3_str *out, const Members *members);

void members_clear(Members *members);

#endif
