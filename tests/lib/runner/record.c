#include "runner/record.h"

/* ---- Substitution ---- */

typedef enum Target { TARGET_SQL, TARGET_VALUE, TARGET_PATTERN } Target;

static void write_replacement(Text *out, const char *replacement, Target target) {
  for (const char *at = replacement; *at != '\0'; at++) {
    if (target == TARGET_PATTERN && strchr(".[\\()*+?{|^$", *at) != NULL) text_append(out, '\\');
    text_append(out, target == TARGET_VALUE && !is_printable(*at) ? '@' : *at);
  }
}

/* The length of the ${NAME} that the text begins with, or 0. */
static size_t placeholder_length(const char *text) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  if (strncmp(text, "${", 2) != 0) return 0;
  size_t length = strspn(text + 2, letters);
  return length > 0 && text[2 + length] == '}' ? length + 3 : 0;
}

static bool replace(Script *script, Record *record, const char *placeholder, size_t length,
                    Text *out, Target target) {
  const struct {
    const char *placeholder, *value, *option;
  } known[] = {{"${FIXTURES}", script->options->fixtures, "--fixtures"},
               {"${CORPUS}", script->options->corpus, "--corpus"},
               {"${TMP}", script->directory, "$TMPDIR"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strncmp(known[i].placeholder, placeholder, length) != 0) continue;
    if (known[i].value != NULL) {
      write_replacement(out, known[i].value, target);
    } else if (strcmp(known[i].option, "--corpus") == 0) {
      record->needs_corpus = true;
      write_replacement(out, "corpus", target);
    } else {
      return script_fail(script, record->line, "%s has no value: %s was not given",
                         known[i].placeholder, known[i].option);
    }
    return true;
  }
  return script_fail(script, record->line, "%.*s is not known", (int)length, placeholder);
}

static bool substitute_into(Text *out, Script *script, Record *record, const char *text,
                            Target target) {
  while (*text != '\0') {
    size_t length = placeholder_length(text);
    if (length == 0) {
      text_append(out, *text++);
    } else {
      if (!replace(script, record, text, length, out, target)) return false;
      text += length;
    }
  }
  return true;
}

/* The lines, joined, with every placeholder replaced. On false the result is still to be freed. */
static bool substitute_lines(Script *script, Record *record, const Line *line, const Line *end,
                             Target target, char **result) {
  Text out = {0};
  bool substituted = true;
  for (const Line *first = line; line < end && substituted; line++) {
    if (line > first) text_append(&out, '\n');
    substituted = substitute_into(&out, script, record, line->text, target);
  }
  *result = out.bytes != NULL ? out.bytes : copy_text("");
  return substituted;
}

/* ---- Reading a record. On false the script has an error, which has been reported. ---- */

char *take_word(char **rest) {
  char *word = *rest + strspn(*rest, white_space);
  char *end = word + strcspn(word, white_space);
  *rest = *end == '\0' ? end : end + 1;
  *end = '\0';
  return word;
}

bool expect_line_end(Script *script, const Record *record, char *rest) {
  const char *word = take_word(&rest);
  if (*word == '\0') return true;
  return script_fail(script, record->line, "\"%s\" is too much on this line", word);
}

/* The rest of the line, without the white space around it; true also if that is nothing. */
static bool read_pattern(Script *script, Record *record, char *rest) {
  rest += strspn(rest, white_space);
  size_t length = strlen(rest);
  while (length > 0 && strchr(white_space, rest[length - 1]) != NULL) length--;
  rest[length] = '\0';
  if (length == 0) return true;
  const Line line = {rest, record->line};
  if (!substitute_lines(script, record, &line, &line + 1, TARGET_PATTERN, &record->pattern)) {
    return false;
  }
  int code = regcomp(&record->expression, record->pattern, REG_EXTENDED | REG_NOSUB);
  record->has_expression = code == 0;
  if (code == 0) return true;
  char message[256];
  regerror(code, &record->expression, message, sizeof message);
  return script_fail(script, record->line, "/%s/ is no regular expression: %s", record->pattern,
                     message);
}

bool read_statement_line(Script *script, Record *record, char *rest) {
  const char *outcome = take_word(&rest);
  record->must_fail = strcmp(outcome, "error") == 0;
  if (record->must_fail) return read_pattern(script, record, rest);
  if (strcmp(outcome, "ok") == 0) return expect_line_end(script, record, rest);
  return script_fail(script, record->line, "a statement is ok or error, not \"%s\"", outcome);
}

static bool read_sort(Script *script, Record *record, const char *word) {
  static const char *const names[] = {"nosort", "rowsort", "valuesort"};
  for (int i = SORT_NONE; i <= SORT_VALUES; i++) {
    record->sort = (Sort)i;
    if (strcmp(word, names[i]) == 0) return true;
  }
  return script_fail(script, record->line, "the sort mode \"%s\" is not known", word);
}

bool read_query_line(Script *script, Record *record, char *rest) {
  record->is_query = true;
  record->types = take_word(&rest);
  if (*record->types == '\0') return script_fail(script, record->line, "a query needs its types");
  if (record->types[strspn(record->types, "TIR")] != '\0') {
    return script_fail(script, record->line, "the types are T, I and R, not \"%s\"", record->types);
  }
  const char *word = take_word(&rest);
  record->must_fail = strcmp(word, "error") == 0;
  if (record->must_fail) {
    if (!read_pattern(script, record, rest)) return false;
    if (record->has_expression) return true;
    return script_fail(script, record->line, "a query's error needs a regular expression");
  }
  if (*word != '\0' && !read_sort(script, record, word)) return false;
  record->label = take_word(&rest);
  return expect_line_end(script, record, rest);
}

static bool read_expected(Script *script, Record *record, const Line *line, const Line *end) {
  for (; line < end; line++) {
    char *value = NULL;
    bool read = substitute_lines(script, record, line, line + 1, TARGET_VALUE, &value);
    list_append(&record->expected, value);
    if (!read) return false;
  }
  return true;
}

bool read_body(Script *script, Record *record, const Line *line, const Line *end) {
  const Line *separator = record->is_query ? line : end;
  while (separator < end && strcmp(separator->text, "----") != 0) separator++;
  if (separator == line) return script_fail(script, record->line, "the record has no SQL");
  if (record->must_fail && separator < end) {
    return script_fail(script, separator->number, "a query that has to fail has no result");
  }
  return substitute_lines(script, record, line, separator, TARGET_SQL, &record->sql) &&
         (separator == end || read_expected(script, record, separator + 1, end));
}

void record_clear(Record *record) {
  if (record->has_expression) regfree(&record->expression);
  free(record->pattern);
  free(record->sql);
  list_clear(&record->expected);
}
