#include "program/command_line.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "program/keep.h"
#include "program/message.h"

const OwnOptionAbout own_options[OWN_OPTION_COUNT] = {
    [OWN_OPTION_OUTPUT] = {"output", "FILE", "write into a file what else would be printed"},
    [OWN_OPTION_FORMAT] = {"format", "FORMAT", "print for machines, or in another form"},
    [OWN_OPTION_TABLE] = {"table", "NAME", "print only this table"},
    [OWN_OPTION_THREADS] = {"threads", "N", "how many threads help; 0 for none"},
    [OWN_OPTION_DATABASE] = {"database", "FILE", "the database to open, in the place of none"},
    [OWN_OPTION_PARAM] = {"param", "NAME=VALUE", "a value for :NAME in the queries, as text"},
    [OWN_OPTION_DRY_RUN] = {"dry-run", NULL, "write nothing, and say what would be written"},
    [OWN_OPTION_OPEN] = {"open", NULL, "open the page in a browser"},
    [OWN_OPTION_HELP] = {"help", NULL, "print this help"},
};

enum { COMMAND_LINE_MAX_THREADS = 1024 };

/* What is being read. */
typedef struct CommandReader {
  const char *command; /* for messages */
  const ScriptHeader *verb;
  unsigned options; /* a mask of the program's own that are taken */
  CommandLine *line;
  int count;
  char **words; /* that are left */
} CommandReader;

bool own_option_fits(const ScriptHeader *verb, OwnOption option) {
  switch (option) {
    case OWN_OPTION_FORMAT:
    case OWN_OPTION_TABLE: return verb->table_count > 0;
    case OWN_OPTION_DATABASE: return verb->database != NULL;
    case OWN_OPTION_DRY_RUN: return verb->write_count > 0 || verb->database != NULL;
    case OWN_OPTION_OPEN: return verb->prints_html;
    case OWN_OPTION_PARAM: return false;
    default: return true;
  }
}

const char *command_line_placeholder(const char *name) {
  char *upper = keep_text(name, strlen(name));
  for (char *letter = upper; *letter != '\0'; letter++) {
    *letter = (char)toupper((unsigned char)*letter);
  }
  return upper;
}

const char *command_line_usage(const ScriptHeader *verb) {
  const char *usage = verb->typed;
  for (size_t i = 0; i < verb->parameter_count; i++) {
    if (!verb->parameters[i].required) continue;
    usage = keep_format("%s %s", usage, command_line_placeholder(verb->parameters[i].name));
  }
  return keep_format("%s [OPTION]...", usage);
}

/* Whether all of the text is a whole number of 64 bits. */
static bool command_line_is_integer(const char *text) {
  char *end;
  if (*text != '-' && !isdigit((unsigned char)*text)) return false;
  errno = 0;
  (void)strtoll(text, &end, 10);
  return *end == '\0' && end[-1] != '-' && errno == 0;
}

/* Whether all of the text is a decimal number. */
static bool command_line_is_real(const char *text) {
  char *end;
  if (text[strspn(text, "+-.0123456789eE")] != '\0') return false;
  (void)strtod(text, &end);
  return end > text && *end == '\0';
}

/* Whether a path is that of a checkpoint, which text must not replace. */
static bool command_line_is_checkpoint(const char *path) {
  static const char *const endings[] = {".safetensors", ".safetensors.index.json"};
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t length = strlen(path), ending = strlen(endings[i]);
    if (length >= ending && strcmp(path + length - ending, endings[i]) == 0) return true;
  }
  return false;
}

/* "; did you mean ..." for a word that is none of the choices. Kept memory. */
static const char *command_line_hint(const Suggest *suggest, const char *before) {
  char *text = suggest_text(suggest, before);
  const char *kept = text != NULL ? keep_text(text, strlen(text)) : "";
  memory_free(text);
  return kept;
}

static const char *command_line_choices_hint(const char *choices, const char *word) {
  Suggest suggest = {.word = word, .length = strlen(word)};
  for (;; choices++) {
    size_t length = strcspn(choices, "|");
    suggest_offer(&suggest, choices, length);
    choices += length;
    if (*choices == '\0') return command_line_hint(&suggest, "");
  }
}

const char *command_line_choices_text(const char *choices, const char *last) {
  const char *text = "";
  for (;; choices++) {
    int length = (int)strcspn(choices, "|");
    const char *join = *text == '\0' ? "" : choices[length] == '\0' ? last : ", ";
    text = keep_format("%s%s%.*s", text, join, length, choices);
    choices += length;
    if (*choices == '\0') return text;
  }
}

const ScriptParameter *command_line_format_parameter(const ScriptHeader *verb) {
  for (size_t i = 0; verb != NULL && verb->table_count > 0 && i < verb->parameter_count; i++) {
    if (strcmp(verb->parameters[i].name, "format") == 0) return &verb->parameters[i];
  }
  return NULL;
}

const char *command_line_formats(const ScriptHeader *verb) {
  const ScriptParameter *format = command_line_format_parameter(verb);
  const char *formats = OWN_FORMATS, *word = format != NULL ? format->choices : "";
  while (*word != '\0') {
    size_t length = strcspn(word, "|");
    const char *choice = keep_text(word, length);
    if (!script_header_has_choice(formats, choice)) formats = keep_format("%s|%s", formats, choice);
    word += length + (word[length] == '|');
  }
  return formats;
}

static bool command_line_check_choice(CommandReader *reader, const char *shown, const char *choices,
                                      const char *value) {
  if (script_header_has_choice(choices, value)) return true;
  message(reader->command, "%s: expected one of %s, found \"%s\"%s", shown,
          command_line_choices_text(choices, ", "), value,
          command_line_choices_hint(choices, value));
  return false;
}

static bool command_line_check_value(CommandReader *reader, const ScriptParameter *parameter,
                                     const char *shown, const char *value) {
  switch (parameter->kind) {
    case PARAMETER_INTEGER:
      if (command_line_is_integer(value)) return true;
      message(reader->command, "%s: expected a whole number, found \"%s\"", shown, value);
      return false;
    case PARAMETER_REAL:
      if (command_line_is_real(value)) return true;
      message(reader->command, "%s: expected a number, found \"%s\"", shown, value);
      return false;
    case PARAMETER_ENUM: return command_line_check_choice(reader, shown, parameter->choices, value);
    case PARAMETER_PATH:
      if (strcmp(value, "-") != 0 && *value != '\0') return true;
      message(reader->command, "%s: expected a path, found %s", shown,
              *value == '\0' ? "an empty text" : "-; a file of this name is ./-");
      return false;
    default: return true;
  }
}

/* Gives a parameter its value. */
static bool command_line_set(CommandReader *reader, size_t number, const char *shown,
                             const char *value) {
  const ScriptParameter *parameter = &reader->verb->parameters[number];
  if (reader->line->values[number] != NULL) {
    message(reader->command, "%s: expected one value, found a second, \"%s\"", shown, value);
    return false;
  }
  reader->line->values[number] = value;
  return command_line_check_value(reader, parameter, shown, value);
}

/* The program's own formats come first: what they print does not depend on the script. */
static bool command_line_set_format(CommandReader *reader, const char *shown, const char *value) {
  const ScriptParameter *format = command_line_format_parameter(reader->verb);
  if (!command_line_check_choice(reader, shown, command_line_formats(reader->verb), value)) {
    return false;
  }
  const ScriptHeader *verb = reader->verb;
  size_t number = format != NULL && verb != NULL ? (size_t)(format - verb->parameters) : 0;
  if (format != NULL && verb != NULL && !script_header_has_choice(OWN_FORMATS, value)) {
    return command_line_set(reader, number, shown, value);
  }
  reader->line->own[OWN_OPTION_FORMAT] = value;
  if (format == NULL || reader->line->values[number] == NULL) return true;
  message(reader->command, "%s: expected one format, found a second", shown);
  return false;
}

static bool command_line_set_own(CommandReader *reader, OwnOption option, const char *shown,
                                 const char *value) {
  CommandLine *line = reader->line;
  if (option == OWN_OPTION_PARAM) {
    if (*value == ':') value++;
    line->bindings = keep_row(line->bindings, line->binding_count, sizeof *line->bindings);
    line->bindings[line->binding_count++] = value;
    if (strchr(value, '=') != NULL && *value != '=') return true;
    message(reader->command, "%s: expected NAME=VALUE, found \"%s\"", shown, value);
    return false;
  }
  if (line->own[option] != NULL) {
    message(reader->command, "%s: expected once, found a second time", shown);
    return false;
  }
  if (option == OWN_OPTION_FORMAT) return command_line_set_format(reader, shown, value);
  line->own[option] = value;
  if (option == OWN_OPTION_THREADS && (!command_line_is_integer(value) || *value == '-' ||
                                       strtoll(value, NULL, 10) > COMMAND_LINE_MAX_THREADS)) {
    message(reader->command, "%s: expected a number from 0 to %d, found \"%s\"", shown,
            COMMAND_LINE_MAX_THREADS, value);
    return false;
  }
  if (option == OWN_OPTION_OUTPUT && command_line_is_checkpoint(value)) {
    message(reader->command,
            "%s: expected a file for what is printed, found \"%s\"; it is not for tensors", shown,
            value);
    return false;
  }
  return true;
}

static bool command_line_takes_own(const CommandReader *reader, OwnOption option) {
  return (reader->options >> option & 1u) != 0;
}

static void command_line_unknown(CommandReader *reader, const char *name, size_t length) {
  Suggest suggest = {.word = name, .length = length};
  for (size_t i = 0; reader->verb != NULL && i < reader->verb->parameter_count; i++) {
    const ScriptParameter *parameter = &reader->verb->parameters[i];
    if (parameter == command_line_format_parameter(reader->verb)) continue; /* the program's own */
    const char *typed = script_header_typed(parameter->name);
    suggest_offer(&suggest, typed, strlen(typed));
  }
  for (OwnOption option = 0; option < OWN_OPTION_COUNT; option++) {
    if (!command_line_takes_own(reader, option)) continue;
    suggest_offer(&suggest, own_options[option].name, strlen(own_options[option].name));
  }
  message(reader->command, "there is no option --%.*s here%s", (int)length, name,
          command_line_hint(&suggest, "--"));
}

/* The value of an option: behind its '=', or the next word. NULL after a message. */
static const char *command_line_value(CommandReader *reader, const char *shown,
                                      const char *equals) {
  if (equals != NULL) return equals + 1;
  if (reader->count > 0 && strncmp(reader->words[0], "--", 2) != 0) {
    reader->count--;
    return *reader->words++;
  }
  message(reader->command, "%s: expected a value%s%s%s", shown,
          reader->count > 0 ? "; if it begins with --, write " : "", reader->count > 0 ? shown : "",
          reader->count > 0 ? "=VALUE" : "");
  return NULL;
}

static bool command_line_no_value(CommandReader *reader, const char *shown, const char *equals) {
  if (equals == NULL) return true;
  message(reader->command, "%s: expected no value, found \"%s\"", shown, equals + 1);
  return false;
}

static bool command_line_own(CommandReader *reader, OwnOption option, const char *shown,
                             const char *equals) {
  if (own_options[option].value == NULL) {
    return command_line_no_value(reader, shown, equals) &&
           command_line_set_own(reader, option, shown, "");
  }
  const char *value = command_line_value(reader, shown, equals);
  return value != NULL && command_line_set_own(reader, option, shown, value);
}

/* A word that begins with "--". */
static bool command_line_option(CommandReader *reader, const char *word) {
  const char *name = word + 2, *equals = strchr(name, '=');
  size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
  const char *shown = keep_text(word, length + 2);
  for (size_t i = 0; reader->verb != NULL && i < reader->verb->parameter_count; i++) {
    const ScriptParameter *parameter = &reader->verb->parameters[i];
    if (!script_header_same_name(name, length, parameter->name) ||
        parameter == command_line_format_parameter(reader->verb)) {
      continue;
    }
    if (parameter->kind == PARAMETER_FLAG) {
      return command_line_no_value(reader, shown, equals) &&
             command_line_set(reader, i, shown, "1");
    }
    const char *value = command_line_value(reader, shown, equals);
    return value != NULL && command_line_set(reader, i, shown, value);
  }
  for (OwnOption option = 0; option < OWN_OPTION_COUNT; option++) {
    if (command_line_takes_own(reader, option) &&
        script_header_same_name(name, length, own_options[option].name)) {
      return command_line_own(reader, option, shown, equals);
    }
  }
  if (command_line_takes_own(reader, OWN_OPTION_FORMAT) &&
      script_header_has_choice(command_line_formats(reader->verb), shown + 2)) {
    return command_line_no_value(reader, shown, equals) &&
           command_line_set_own(reader, OWN_OPTION_FORMAT, shown, shown + 2);
  }
  command_line_unknown(reader, name, length);
  return false;
}

/* The first required parameter without a value; the count of parameters if there is none. */
static size_t command_line_open_parameter(const CommandReader *reader) {
  const ScriptHeader *verb = reader->verb;
  size_t i = 0;
  while (i < verb->parameter_count &&
         (!verb->parameters[i].required || reader->line->values[i] != NULL)) {
    i++;
  }
  return i;
}

static bool command_line_argument(CommandReader *reader, const char *word) {
  CommandLine *line = reader->line;
  if (reader->verb == NULL) {
    line->words = keep_row(line->words, line->word_count, sizeof *line->words);
    line->words[line->word_count++] = word;
    return true;
  }
  size_t number = command_line_open_parameter(reader);
  if (number == reader->verb->parameter_count) {
    bool of_pattern =
        strstr(word, ".safetensors") != NULL; /* which the user's shell has replaced by names */
    message(reader->command, "expected nothing more, found \"%s\"%s; usage: %s %s", word,
            of_pattern ? " (a pattern is written in quotes)" : "", message_program(),
            command_line_usage(reader->verb));
    return false;
  }
  return command_line_set(reader, number,
                          command_line_placeholder(reader->verb->parameters[number].name), word);
}

/* Whether a word is an argument and not an option: "-" is, and so is a negative number. */
static bool command_line_is_argument(const char *word) {
  return word[0] != '-' || word[1] == '\0' || command_line_is_real(word);
}

static bool command_line_read_all(CommandReader *reader) {
  bool options = true;
  while (reader->count > 0) {
    const char *word = *reader->words++;
    reader->count--;
    if (options && strcmp(word, "--") == 0) {
      options = false;
    } else if (options && strcmp(word, "-h") == 0) {
      reader->line->own[OWN_OPTION_HELP] = "";
    } else if (options && strncmp(word, "--", 2) == 0) {
      if (!command_line_option(reader, word)) return false;
    } else if (options && !command_line_is_argument(word)) {
      message(reader->command,
              "there is no option %s here; a name that begins with - stands behind --", word);
      return false;
    } else if (!command_line_argument(reader, word)) {
      return false;
    }
  }
  return true;
}

static bool command_line_check_table(CommandReader *reader) {
  const char *table = reader->line->own[OWN_OPTION_TABLE];
  if (table == NULL) return true;
  const ScriptParameter *format = command_line_format_parameter(reader->verb);
  const char *own = format == NULL ? NULL : reader->line->values[format - reader->verb->parameters];
  if (own != NULL) {
    message(reader->command, "--table: expected one of %s as format, found \"%s\"",
            command_line_choices_text(OWN_FORMATS, ", "), own);
    return false;
  }
  Suggest suggest = {.word = table, .length = strlen(table)};
  for (size_t i = 0; i < reader->verb->table_count; i++) {
    const char *name = reader->verb->tables[i].name;
    if (strcmp(name, table) == 0) return true;
    suggest_offer(&suggest, name, strlen(name));
  }
  message(reader->command, "it leaves no table \"%s\"%s", table, command_line_hint(&suggest, ""));
  return false;
}

bool command_line_read(const ScriptHeader *verb, int count, char **words, CommandLine *line) {
  CommandReader reader = {verb->typed, verb, 0, line, count, words};
  for (OwnOption option = 0; option < OWN_OPTION_COUNT; option++) {
    if (own_option_fits(verb, option)) reader.options |= 1u << option;
  }
  line->values = keep((verb->parameter_count + 1) * sizeof *line->values);
  if (!command_line_read_all(&reader)) return false;
  if (line->own[OWN_OPTION_HELP] != NULL) return true;
  size_t missing = command_line_open_parameter(&reader);
  if (missing < verb->parameter_count) {
    const ScriptParameter *parameter = &verb->parameters[missing];
    message(reader.command, "expected %s, %s; usage: %s %s",
            command_line_placeholder(parameter->name), parameter->text, message_program(),
            command_line_usage(verb));
    return false;
  }
  return command_line_check_table(&reader);
}

bool command_line_read_words(const char *command, unsigned options, int count, char **words,
                             CommandLine *line) {
  CommandReader reader = {command, NULL, options, line, count, words};
  return command_line_read_all(&reader);
}
