/* Regular expressions over names: what matches, by Python's `re`; what is refused; and that time is in proportion. */
#include "base/name_pattern.h"

#include <time.h>

#include "program.h"

typedef struct Case {
  const char *pattern, *name;
  bool start, module, whole; /* re.match(), the rule of PEFT, re.fullmatch() of Python 3.13 */
} Case;

static const Case cases[] = {
    {"q_proj", "model.layers.0.q_proj", false, true, false},
    {"q_proj", "q_proj", true, true, true},
    {"q_proj", "my_q_proj", false, false, false},
    {"q_proj", "q_proj.base", true, false, false},
    {"layers.0", "layers_0", true, true, true},
    {"layers\\.0", "layers_0", false, false, false},
    {"[qk]_proj", "a.k_proj", false, true, false},
    {"(gate|up)_proj", "mlp.up_proj", false, true, false},
    {"layers\\.1\\..*\\.(gate|up)_proj", "model.layers.1.mlp.gate_proj", false, true, false},
    {"layers\\.1\\..*\\.(gate|up)_proj", "model.layers.11.mlp.gate_proj", false, false, false},
    {"^layers", "layers", true, true, true},
    {"^layers", "model.layers", false, false, false},
    {"a|b", "b", true, true, true},
    {"a|ab", "ab", true, true, true},
    {"a|", "", true, true, true},
    {"\\d+", "x.12", false, true, false},
    {"\\d{2,3}", "1234", true, false, false},
    {"(?:ab){2}", "abab", true, true, true},
    {"(?P<n>a)b?", "a", true, true, true},
    {"a{,2}", "aa", true, true, true},
    {"a{", "a{", true, true, true},
    {"[^.]+", "model.q", true, true, false},
    {"[\\w.]+x", "a.b_x", true, true, true},
    {"[]-]", "-", true, true, true},
    {"a.c",
     "a\xc3\xa9"
     "c",
     true, true, true},
    {"\\w", "\xc3\xa9", true, true, true},
    {"(a*)*", "aaa", true, true, true},
    {"(a?b?)*?c", "abac", true, true, true},
    {"\\Aa\\Z", "a", true, true, true},
    {"\\.", ".", true, true, true},
    {"()", "", true, true, true},
};

static const char *const refused[] = {"(",
                                      ")",
                                      "a)",
                                      "[a",
                                      "*",
                                      "a**",
                                      "a++",
                                      "(?=a)",
                                      "(?i)a",
                                      "(?<n>a)",
                                      "\\1",
                                      "\\b",
                                      "\\",
                                      "a{3,2}",
                                      "[z-a]",
                                      "[a-\\d]",
                                      "a{1001}",
                                      "(?P<n",
                                      "((a{99}){99}){99}"};

static NamePattern *compile(const char *text, const char **problem) {
  return name_pattern_compile(text, strlen(text), problem);
}

static bool matches(NamePattern *pattern, NamePatternMode mode, const char *name) {
  uint64_t steps = 0;
  return name_pattern_matches(pattern, mode, name, strlen(name), &steps);
}

static void check_cases(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const Case *wanted = &cases[i];
    const char *problem;
    NamePattern *pattern = compile(wanted->pattern, &problem);
    bool good = pattern != NULL &&
                matches(pattern, NAME_PATTERN_START, wanted->name) == wanted->start &&
                matches(pattern, NAME_PATTERN_MODULE, wanted->name) == wanted->module &&
                matches(pattern, NAME_PATTERN_WHOLE, wanted->name) == wanted->whole;
    if (!good) printf("%s on %s\n", wanted->pattern, wanted->name);
    check(good, "a pattern matches as in Python");
    name_pattern_free(pattern);
  }
}

static void check_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    const char *problem;
    NamePattern *pattern = compile(refused[i], &problem);
    if (pattern != NULL || problem == NULL) printf("%s\n", refused[i]);
    check(pattern == NULL && problem != NULL,
          "a pattern outside the language is refused with a reason");
    name_pattern_free(pattern);
  }
}

/* The work for a name of `length` characters. */
static uint64_t work(NamePattern *pattern, size_t length) {
  uint64_t steps = 0;
  char *name = malloc(length);
  if (name == NULL) stop("malloc");
  for (size_t i = 0; i < length; i++) name[i] = i % 50 == 49 ? '.' : 'a';
  name_pattern_matches(pattern, NAME_PATTERN_MODULE, name, length, &steps);
  free(name);
  return steps;
}

static void check_time(void) {
  static const char *const patterns[] = {"(a*)*[bc]",        "(a|a|aa)*[bc]",     "((a+)+)+[bc]",
                                         "(.*)(.*)(.*)[bc]", "(a{0,9}){0,9}[bc]", "[^b]*[^c]*[b]"};
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    const char *problem;
    NamePattern *pattern = compile(patterns[i], &problem);
    check(pattern != NULL && work(pattern, 20000) < 22 * work(pattern, 1000),
          "twenty times the name takes twenty times the work");
    name_pattern_free(pattern);
  }
}

int main(void) {
  check_cases();
  check_refused();
  check_time();
  return finish();
}
