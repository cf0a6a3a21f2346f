#include "check/lint_code.h"

#include <string.h>

enum { LINT_CODE_WARNING, LINT_CODE_ERROR };

static const struct {
  const char *name;
  bool is_error;
} lint_code_table[LINT_CODE_COUNT] = {
#define LINT_CODE_X(identifier, code, severity) {code, LINT_CODE_##severity == LINT_CODE_ERROR},
    LINT_CODES(LINT_CODE_X)
#undef LINT_CODE_X
};

const char *lint_code_name(LintCode code) {
  return lint_code_table[code].name;
}

bool lint_code_is_error(LintCode code) {
  return lint_code_table[code].is_error;
}

LintCode lint_code_find(const char *name) {
  int code = 0;
  while (code < LINT_CODE_COUNT - 1 && strcmp(lint_code_table[code].name, name) != 0) code++;
  return (LintCode)code;
}
