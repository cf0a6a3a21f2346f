#include "program/script_header.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "program/keep.h"

/* The lines of a header, and the one that is read. */
typedef struct ScriptHeaderReader {
  const char *name, *at, *end;
  unsigned number;   /* of the line that is read */
  char *line;        /* without what makes it a comment; NULL behind the last */
  const char *fault; /* the first, or NULL */
  ScriptHeader *header;
} ScriptHeaderReader;

static void script_header_fault(ScriptHeaderReader *reader, const char *expected,
                                const char *found) {
  if (reader->fault != NULL) return;
  reader->fault =
      keep_format("%s: line %u of its header: expected %s%s%s", reader->name, reader->number,
                  expected, found != NULL ? ", found " : "", found != NULL ? found : "");
}

static void script_header_next(ScriptHeaderReader *reader) {
  const char *line = reader->at;
  reader->line = NULL;
  if (reader->end - line < 2 || memcmp(line, "--", 2) != 0) return;
  const char *end = memchr(line, '\n', (size_t)(reader->end - line));
  reader->at = end != NULL ? end + 1 : reader->end;
  if (end == NULL) end = reader->end;
  line += 2;
  if (line < end && *line == ' ') line++;
  while (end > line && isspace((unsigned char)end[-1])) end--;
  reader->line = keep_text(line, (size_t)(end - line));
  reader->number++;
}

static bool script_header_is_name(const char *text) {
  if (!islower((unsigned char)*text)) return false;
  while (islower((unsigned char)*text) || isdigit((unsigned char)*text) || *text == '_') text++;
  return *text == '\0';
}

/* Takes the first word of *text, which moves behind the spaces that follow. NULL if there is none. */
static const char *script_header_word(char **text) {
  char *word = *text;
  size_t length = strcspn(word, " ");
  *text += length + strspn(word + length, " ");
  word[length] = '\0';
  return length > 0 ? word : NULL;
}

static const char *script_header_name(ScriptHeaderReader *reader, char **text) {
  const char *word = script_header_word(text);
  if (word != NULL && script_header_is_name(word)) return word;
  script_header_fault(reader, "a name of lower-case letters, digits and '_'", word);
  return "";
}

static ParameterKind script_header_kind(ScriptHeaderReader *reader, const char *word) {
  static const char *const kinds[] = {"path", "ref", "text", "integer", "real", "enum", "flag"};
  for (size_t i = 0; word != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(word, kinds[i]) == 0) return (ParameterKind)i;
  }
  script_header_fault(reader, "one of the kinds path, ref, text, integer, real, enum and flag",
                      word);
  return PARAMETER_TEXT;
}

/* The value that an SQL string or a word stands for. */
static const char *script_header_default(ScriptHeaderReader *reader, char *text) {
  size_t length = strlen(text), used = 0;
  if (*text != '\'') return text;
  char *value = keep(length);
  for (size_t i = 1; i < length; i++) {
    if (text[i] == '\'' && i + 1 == length) return value;
    if (text[i] == '\'' && text[++i] != '\'') break;
    value[used++] = text[i];
  }
  script_header_fault(reader, "an SQL string as default", text);
  return "";
}

static void script_header_parameter(ScriptHeaderReader *reader, char *specification,
                                    const char *text) {
  ScriptHeader *header = reader->header;
  ScriptParameter parameter = {.name = script_header_name(reader, &specification), .text = text};
  parameter.kind = script_header_kind(reader, script_header_word(&specification));
  if (parameter.kind == PARAMETER_ENUM) {
    parameter.choices = script_header_word(&specification);
    if (parameter.choices == NULL)
      script_header_fault(reader, "words with '|' between them", "none");
  }
  if (strcmp(specification, "required") == 0) {
    parameter.required = true;
  } else if (*specification != '\0') {
    parameter.value = script_header_default(reader, specification);
  } else if (parameter.choices != NULL) {
    parameter.value = keep_text(parameter.choices, strcspn(parameter.choices, "|"));
  }
  if (parameter.kind == PARAMETER_FLAG && *specification != '\0') {
    script_header_fault(reader, "nothing after flag", specification);
  }
  header->parameters = keep_row(header->parameters, header->parameter_count, sizeof parameter);
  header->parameters[header->parameter_count++] = parameter;
}

/* NAME(COLUMN, ...) */
static void script_header_table(ScriptHeaderReader *reader, char *specification, const char *text) {
  ScriptHeader *header = reader->header;
  size_t name = strcspn(specification, "("), length = strlen(specification);
  if (name + 2 >= length || specification[length - 1] != ')') {
    script_header_fault(reader, "NAME(COLUMN, ...)", specification);
    return;
  }
  specification[name] = specification[length - 1] = '\0';
  ScriptTable table = {.name = specification, .columns = specification + name + 1, .text = text};
  header->tables = keep_row(header->tables, header->table_count, sizeof table);
  header->tables[header->table_count++] = table;
}

static void script_header_add(ScriptLine **lines, size_t *count, const char *word,
                              const char *text) {
  *lines = keep_row(*lines, *count, sizeof **lines);
  (*lines)[(*count)++] = (ScriptLine){.word = word, .text = text};
}

/* @WORD SPECIFICATION  TEXT */
static void script_header_directive(ScriptHeaderReader *reader, char *line) {
  ScriptHeader *header = reader->header;
  char *text = strstr(line, "  ");
  if (text != NULL) {
    *text++ = '\0';
    text += strspn(text, " ");
  } else {
    text = line + strlen(line);
  }
  char *rest = line + 1;
  const char *word = script_header_word(&rest);
  if (word == NULL) word = "";
  if (strcmp(word, "param") == 0) {
    script_header_parameter(reader, rest, text);
  } else if (strcmp(word, "table") == 0) {
    script_header_table(reader, rest, text);
  } else if (strcmp(word, "alias") == 0) {
    script_header_add(&header->aliases, &header->alias_count, script_header_name(reader, &rest),
                      NULL);
  } else if (strcmp(word, "status") == 0) {
    script_header_add(&header->statuses, &header->status_count, rest, text);
  } else if (strcmp(word, "writes") == 0) {
    script_header_add(&header->writes, &header->write_count, rest, NULL);
  } else if (strcmp(word, "example") == 0) {
    script_header_add(&header->examples, &header->example_count, rest, NULL);
  } else if (strcmp(word, "database") == 0) {
    header->database = text;
  } else if (strcmp(word, "prints") == 0 && strcmp(rest, "html") == 0) {
    header->prints_html = true;
  } else {
    script_header_fault(reader, "a directive that is known", line);
  }
}

/* Lines that are indented continue a directive. */
static void script_header_directives(ScriptHeaderReader *reader) {
  char *directive = NULL;
  unsigned number = reader->number;
  for (;; script_header_next(reader)) {
    char *line = reader->line;
    if (line != NULL && *line == '\0') continue;
    if (line != NULL && strncmp(line, "  ", 2) == 0 && directive != NULL) {
      directive = keep_format("%s %s", directive, line + strspn(line, " "));
      continue;
    }
    unsigned here = reader->number;
    reader->number = number;
    if (directive != NULL) script_header_directive(reader, directive);
    reader->number = number = here;
    if (line == NULL) return;
    if (*line != '@') script_header_fault(reader, "a directive, or an indented line", line);
    directive = line;
  }
}

static void script_header_paragraphs(ScriptHeaderReader *reader) {
  char *about = keep(1);
  size_t length = 0, room = 1; /* which is zero behind the text */
  for (; reader->line != NULL && *reader->line != '@'; script_header_next(reader)) {
    size_t more = strlen(reader->line) + 1;
    if (room - length <= more) {
      room = 2 * (length + more) + 1;
      char *larger = keep(room);
      memcpy(larger, about, length);
      about = larger;
    }
    memcpy(about + length, reader->line, more - 1);
    length += more;
    about[length - 1] = '\n';
  }
  reader->header->about = about;
}

const char *script_header_read(const char *name, const char *text, size_t length,
                               ScriptHeader *header) {
  ScriptHeaderReader reader = {.name = name, .at = text, .end = text + length, .header = header};
  *header = (ScriptHeader){0};
  char *verb = keep_text(name, strlen(name));
  for (char *slash = verb; (slash = strchr(slash, '/')) != NULL;) *slash = ' ';
  header->name = verb;
  header->typed = script_header_typed(verb);
  script_header_next(&reader);
  if (reader.line == NULL || *reader.line == '\0') {
    reader.number = 1;
    script_header_fault(&reader, "a comment that says what the script answers", NULL);
    return reader.fault;
  }
  header->summary = reader.line;
  script_header_next(&reader);
  while (reader.line != NULL && *reader.line == '\0') script_header_next(&reader);
  script_header_paragraphs(&reader);
  script_header_directives(&reader);
  return reader.fault;
}

bool script_header_same_name(const char *a, size_t a_length, const char *b) {
  if (strlen(b) != a_length) return false;
  for (size_t i = 0; i < a_length; i++) {
    if (a[i] != b[i] && !((a[i] == '-' || a[i] == '_') && (b[i] == '-' || b[i] == '_')))
      return false;
  }
  return true;
}

const char *script_header_typed(const char *name) {
  char *typed = keep_text(name, strlen(name));
  for (char *letter = typed; (letter = strchr(letter, '_')) != NULL;) *letter = '-';
  return typed;
}

bool script_header_has_choice(const char *choices, const char *word) {
  size_t length = strlen(word);
  for (;;) {
    size_t choice = strcspn(choices, "|");
    if (choice == length && memcmp(choices, word, length) == 0) return true;
    if (choices[choice] == '\0') return false;
    choices += choice + 1;
  }
}
