#include "format/lint_code.h"

#include <string.h>

enum { WARNING, ERROR };

static const struct {
  const char *name;
  bool is_error;
} table[LINT_CODE_COUNT] = {
#define X(identifier, code, severity) {code, (severity) == ERROR},
    LINT_CODES(X)
#undef X
};

const char *lint_code_name(LintCode code) {
  return table[code].name;
}

bool lint_code_is_error(LintCode code) {
  return table[code].is_error;
}

LintCode lint_code_find(const char *name) {
  int code = 0;
  while (code < LINT_CODE_COUNT - 1 && strcmp(table[code].name, name) != 0) code++;
  return (LintCode)code;
}
