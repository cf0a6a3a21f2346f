/*
** The builders of expressions whose arguments have roles: what packed weights stand for, and what an
** adapter changes. safetensors_weights and safetensors_adapter give such expressions for the tensors of a
** file. They open nothing; which parts and options a scheme or kind takes is checked when something asks
** for the shape or the elements.
*/
#include <string.h>

#include "func/functions.h"
#include "json/json_string.h"
#include "sql/expression_text.h"
#include "sql/result.h"

typedef struct BuildParts {
  const char *subject, *attribute; /* "scheme" or "kind" */
  sqlite3_str *out;
  Members members; /* of which it has the roles */
} BuildParts;

static bool build_parts_name(BuildParts *build, sqlite3_value *value, Error *error) {
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  if (sqlite3_value_type(value) != SQLITE_TEXT) {
    return error_raise(error, ERROR_ARGUMENT, build->subject, "expected the name of a %s, found %s",
                       build->attribute, expression_text_found(value, buffer));
  }
  const char *name = (const char *)sqlite3_value_text(value);
  if (name == NULL) return error_memory(error);
  sqlite3_str_appendf(build->out, "\"%s\":", build->attribute);
  json_string_append(build->out, name, (uint64_t)sqlite3_value_bytes(value));
  return true;
}

static bool build_parts_base(BuildParts *build, sqlite3_value *value, Error *error) {
  static const char role[] = "base";
  bool is_number, first = build->members.roles_length == 0;
  if (sqlite3_value_type(value) == SQLITE_NULL) return true;
  sqlite3_str_appendf(build->out, "%s\"%s\":", first ? "" : ",", role);
  return members_add_role(&build->members, role, strlen(role), build->subject, error) &&
         expression_text_argument(build->out, OPERATOR_IS_DELTA, value, build->subject, &is_number,
                                  error);
}

static void build_parts(sqlite3_context *context, int argc, sqlite3_value **argv,
                        const char *subject, const char *attribute) {
  const OperatorTraits *traits = sqlite3_user_data(context);
  BuildParts build = {.subject = subject, .attribute = attribute};
  Error error = {0};
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
    return;
  build.out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(build.out, "{\"op\":\"%s\",", traits->name);
  bool good = build_parts_name(&build, argv[0], &error);
  sqlite3_str_appendall(build.out, ",\"parts\":{");
  good = good && expression_text_parts(build.out, argv[1], subject, &build.members, &error) &&
         (argc < 4 || build_parts_base(&build, argv[3], &error));
  sqlite3_str_appendchar(build.out, 1, '}');
  if (good && argc > 2 && sqlite3_value_type(argv[2]) != SQLITE_NULL) {
    sqlite3_str_appendall(build.out, ",\"options\":");
    good = expression_text_object(build.out, argv[2], "options", subject, &error);
  }
  sqlite3_str_appendchar(build.out, 1, '}');
  if (good && build.members.roles_length == 0) {
    good = error_raise(&error, ERROR_ARGUMENT, subject, "expected parts, found none");
  }
  members_clear(&build.members);
  if (good) {
    expression_text_result(context, build.out, subject);
  } else {
    sqlite3_free(sqlite3_str_finish(build.out));
    result_error(context, &error);
  }
}

/*
** tensor_dequantize(scheme, parts [, options]) -> TEXT, an expression
**
** parts and options are JSON objects: a ref or an expression by its role, values by their names. NULL for
** a NULL scheme or parts; NULL options are as if absent.
*/
void function_build_dequantize(sqlite3_context *context, int argc, sqlite3_value **argv) {
  build_parts(context, argc, argv, "tensor_dequantize", "scheme");
}

/*
** tensor_delta(kind, parts [, options [, base]]) -> TEXT, an expression
**
** The same; base is the part of that role.
*/
void function_build_delta(sqlite3_context *context, int argc, sqlite3_value **argv) {
  build_parts(context, argc, argv, "tensor_delta", "kind");
}
