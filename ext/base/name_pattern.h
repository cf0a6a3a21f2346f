/*
** Regular expressions over the names of modules, as configurations of adapters and of quantised
** models contain them. The language is a subset of Python's `re` (docs.python.org/3/library/re.html):
** literals, '.', classes, groups, alternatives, * + ? {m,n} (also followed by '?', which does not
** change what matches as a whole), ^ and $, \d \D \w \W \s \S \A \Z, escaped punctuation, \n \r \t \f
** \v. Everything else (back references, assertions, flags, possessive quantifiers) is refused with a
** reason, and never ignored.
**
** A pattern comes from a stranger's file, so there is no backtracking: all states of the automaton are
** followed at the same time, and matching takes time in proportion to the length of the name times
** that of the compiled pattern, which is limited.
*/
#ifndef SAFETENSORS_BASE_NAME_PATTERN_H
#define SAFETENSORS_BASE_NAME_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct NamePattern NamePattern;

/* Which part of a name has to match. */
typedef enum NamePatternMode {
  NAME_PATTERN_START, /* a part from its start on: re.match(PATTERN, name) */
  NAME_PATTERN_MODULE, /* all of it, or all behind one of its dots: re.match("(.*\.)?(PATTERN)$", name),
                        ** PEFT's rule for rank_pattern and alpha_pattern */
  NAME_PATTERN_WHOLE /* all of it: re.fullmatch(PATTERN, name) */
} NamePatternMode;

/* Compiles a pattern in UTF-8. name_pattern_free() releases it. Returns NULL if memory runs out, with
** *problem NULL, and if the pattern is outside the language or too long: then *problem, a static text,
** says what was expected. */
NamePattern *name_pattern_compile(const char *text, uint64_t length, const char **problem);

/* About how many bytes of memory the pattern occupies. */
uint64_t name_pattern_memory(const NamePattern *pattern);

void name_pattern_free(NamePattern *pattern);

/* Whether the name, in UTF-8, matches. Adds the number of steps that this took to *steps. */
bool name_pattern_matches(NamePattern *pattern, NamePatternMode mode, const char *name,
                          uint64_t length, uint64_t *steps);

#endif
