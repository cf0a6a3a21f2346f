/*
** The builders of expressions: tensor_add(A, B) gives {"op":"add","args":[A,B]}. They open nothing,
** and check what can be checked without the shapes of the arguments. All are one function, to which
** the registration gives its row of OPERATOR_TRAITS; the arguments in SQL are those of the operator,
** then its attributes in the order of MEMBER_NAMES.
*/
#include "func/functions.h"
#include "sql/expression_text.h"
#include "sql/result.h"

typedef struct Build {
  Operator op;
  char subject[EXPRESSION_TEXT_SUBJECT];
  sqlite3_str *out;
  uint64_t count, numbers; /* arguments, and how many of these are numbers */
  Members members;
} Build;

static void build_begin(Build *build, sqlite3_context *context) {
  const OperatorTraits *traits = sqlite3_user_data(context);
  *build = (Build){.op = (Operator)(traits - OPERATOR_TRAITS)};
  sqlite3_snprintf((int)sizeof build->subject, build->subject, "tensor_%s", traits->name);
  build->out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(build->out, "{\"op\":\"%s\"", traits->name);
}

static bool build_add_arguments(Build *build, int argc, sqlite3_value **argv, Error *error) {
  for (int i = 0; i < argc; i++) {
    bool is_number;
    sqlite3_str_appendall(build->out, i == 0 ? ",\"args\":[" : ",");
    if (!expression_text_argument(build->out, build->op, argv[i], build->subject, &is_number,
                                  error)) {
      return false;
    }
    build->count++;
    build->numbers += is_number;
  }
  if (argc > 0) sqlite3_str_appendchar(build->out, 1, ']');
  return build->numbers == 0 || build->numbers < build->count ||
         error_raise(error, ERROR_ARGUMENT, build->subject,
                     "expected a tensor among the arguments, found numbers alone");
}

static bool build_add_attributes(Build *build, int argc, sqlite3_value **argv, Error *error) {
  int used = 0;
  for (int i = 0; i < MEMBERS_COUNT && used < argc; i++) {
    const MemberName *name = &MEMBER_NAMES[i];
    if ((OPERATOR_TRAITS[build->op].attributes & name->attribute) == 0) continue;
    if (!expression_text_attribute(&build->members, name, argv[used++], build->subject, error)) {
      return false;
    }
  }
  return true;
}

static void build_end(Build *build, sqlite3_context *context, bool good, Error *error) {
  good = good && members_check(&build->members, build->op, build->count, build->subject, error);
  if (good) {
    members_append(build->out, &build->members);
    sqlite3_str_appendchar(build->out, 1, '}');
    expression_text_result(context, build->out, build->subject);
  } else {
    sqlite3_free(sqlite3_str_finish(build->out));
    result_error(context, error);
  }
  members_clear(&build->members);
}

static bool build_has_null(int argc, sqlite3_value **argv) {
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return true;
  }
  return false;
}

/*
** tensor_OPERATOR(A, ..., ATTRIBUTE, ...) -> TEXT, an expression
**
** NULL for NULL.
*/
void function_build(sqlite3_context *context, int argc, sqlite3_value **argv) {
  const OperatorTraits *traits = sqlite3_user_data(context);
  int args = (int)traits->most;
  Build build;
  Error error = {0};
  if (build_has_null(argc, argv)) return;
  build_begin(&build, context);
  bool good = build_add_arguments(&build, args, argv, &error) &&
              build_add_attributes(&build, argc - args, argv + args, &error);
  build_end(&build, context, good, &error);
}

static bool build_add_array(Build *build, sqlite3_value *value, Error *error) {
  sqlite3_str_appendall(build->out, ",\"args\":[");
  bool good = expression_text_array(build->out, value, build->subject, &build->count, error);
  sqlite3_str_appendchar(build->out, 1, ']');
  return good;
}

/*
** tensor_concat(axis, A, B, ...) -> TEXT, an expression
** tensor_concat(axis, JSON array) -> TEXT, an expression
**
** The array has refs and expressions, as strings or objects. NULL for NULL.
*/
void function_build_concat(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Build build;
  Error error = {0};
  if (build_has_null(argc, argv)) return;
  build_begin(&build, context);
  bool good = argc >= 2 || error_raise(&error, ERROR_ARGUMENT, build.subject,
                                       "expected (axis, A, B, ...) or (axis, JSON array), found %d "
                                       "argument%s",
                                       argc, argc == 1 ? "" : "s");
  good = good && (argc == 2 && expression_text_is_array(argv[1])
                      ? build_add_array(&build, argv[1], &error)
                      : build_add_arguments(&build, argc - 1, argv + 1, &error));
  good = good && build_add_attributes(&build, 1, argv, &error);
  build_end(&build, context, good, &error);
}
