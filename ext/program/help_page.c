#include "program/help_page.h"

#include <string.h>

#include "program/command_line.h"
#include "program/command_list.h"
#include "program/keep.h"
#include "program/message.h"
#include "program/verb.h"

enum { HELP_PAGE_WIDTH = 80, HELP_PAGE_COLUMN = 18 };

/* "  NAME   text (alias)" */
static void help_page_line(FILE *file, const ScriptHeader *verb) {
  const char *aliases = "";
  for (size_t i = 0; i < verb->alias_count; i++) {
    aliases = keep_format("%s%s%s", aliases, i == 0 ? " (" : ", ",
                          script_header_typed(verb->aliases[i].word));
  }
  if (*aliases != '\0') aliases = keep_format("%s)", aliases);
  const char *line = keep_format("  %-*s%s", HELP_PAGE_COLUMN - 2, verb->typed, verb->summary);
  bool fits = strlen(line) + strlen(aliases) <= HELP_PAGE_WIDTH;
  fprintf(file, "%s%s", line, fits ? aliases : "");
  if (!fits) fprintf(file, "\n%*s%s", HELP_PAGE_COLUMN - 1, "", aliases);
  fputc('\n', file);
}

/* The group of a verb: those of a folder, those that write, and the others. */
static const char *help_page_group(const ScriptHeader *verb) {
  size_t folder = strcspn(verb->name, " ");
  if (verb->name[folder] != '\0') return keep_text(verb->name, folder);
  return verb->write_count > 0 ? "Write" : "Ask";
}

static void help_page_group_verbs(FILE *file, const ScriptHeader *verbs, size_t count,
                                  const char *group) {
  fprintf(file, "\n%s:\n", group);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(help_page_group(&verbs[i]), group) == 0) help_page_line(file, &verbs[i]);
  }
}

static bool help_page_group_begins(const ScriptHeader *verbs, size_t at) {
  for (size_t i = 0; i < at; i++) {
    if (strcmp(help_page_group(&verbs[i]), help_page_group(&verbs[at])) == 0) return false;
  }
  return true;
}

void help_page_all(FILE *file) {
  size_t count;
  const ScriptHeader *verbs = verb_all(&count);
  const Command *command;
  fprintf(file,
          "Answers questions about safetensors checkpoints, and changes them, in place.\n\n"
          "usage: %s VERB CHECKPOINT... [OPTION]...\n\n"
          "A checkpoint is a file, an index, a directory, a pattern or hf://ORG/NAME.\n",
          message_program());
  for (size_t i = 0; i < count; i++) {
    if (help_page_group_begins(verbs, i))
      help_page_group_verbs(file, verbs, count, help_page_group(&verbs[i]));
  }
  fputs("\nSQL and the rest:\n", file);
  for (size_t i = 0; (command = command_list_at(i)) != NULL; i++) {
    fprintf(file, "  %-*s%s\n", HELP_PAGE_COLUMN - 2, command->name, command->text);
  }
  fprintf(file,
          "\n`%s help VERB` says what a verb takes, and what it leaves.\n"
          "Results for machines: --json, --csv, --markdown, --box, --html.\n"
          "Exit status: 0; 1 the verdict is no; 2 the command line is wrong; 3 something\n"
          "cannot be read or written.\n",
          message_program());
}

static const char *help_page_kind(const ScriptParameter *parameter) {
  switch (parameter->kind) {
    case PARAMETER_INTEGER: return " N";
    case PARAMETER_REAL: return " X";
    case PARAMETER_PATH: return " PATH";
    case PARAMETER_REF: return " REF";
    case PARAMETER_ENUM: return keep_format(" %s", parameter->choices);
    case PARAMETER_FLAG: return "";
    default: return " TEXT";
  }
}

/* Words in lines of the page's width, each from this column on, where the first begins. */
static void help_page_words(FILE *file, size_t column, const char *text) {
  size_t at = column;
  text += strspn(text, " \n");
  while (*text != '\0') {
    size_t length = strcspn(text, " \n");
    if (at > column && at + 1 + length > HELP_PAGE_WIDTH) {
      fprintf(file, "\n%*s", (int)column, "");
      at = column;
    } else if (at > column) {
      fputc(' ', file);
      at++;
    }
    fprintf(file, "%.*s", (int)length, text);
    at += length;
    text += length + strspn(text + length, " \n");
  }
  fputc('\n', file);
}

/* "  what            text" */
static void help_page_entry(FILE *file, const char *what, const char *text) {
  enum { HELP_PAGE_ENTRY = 24 };
  int column = fprintf(file, "  %-*s", HELP_PAGE_ENTRY - 2, what);
  if (column > HELP_PAGE_ENTRY) {
    fprintf(file, "\n%*s", HELP_PAGE_ENTRY, "");
  }
  help_page_words(file, HELP_PAGE_ENTRY, text);
}

/* The paragraphs of the header, an empty line before each. Those that are indented stay as they are. */
static void help_page_about(FILE *file, const char *about) {
  while (*about != '\0') {
    const char *end = strstr(about, "\n\n");
    size_t length = end != NULL ? (size_t)(end - about) : strlen(about);
    fputc('\n', file);
    if (*about == ' ') {
      fprintf(file, "%.*s%s", (int)length, about, about[length - 1] != '\n' ? "\n" : "");
    } else {
      help_page_words(file, 0, keep_text(about, length));
    }
    about += length;
    about += strspn(about, "\n");
  }
  fputc('\n', file);
}

static void help_page_parameters(FILE *file, const ScriptHeader *verb, bool required) {
  for (size_t i = 0; i < verb->parameter_count; i++) {
    const ScriptParameter *parameter = &verb->parameters[i];
    if (parameter->required != required || parameter == command_line_format_parameter(verb))
      continue;
    const char *what = required ? command_line_placeholder(parameter->name)
                                : keep_format("--%s%s", script_header_typed(parameter->name),
                                              help_page_kind(parameter));
    const char *text = parameter->text;
    if (parameter->value != NULL && *parameter->value != '\0') {
      text = keep_format("%s; else %s", text, parameter->value);
    }
    help_page_entry(file, what, text);
  }
}

static void help_page_own_options(FILE *file, const ScriptHeader *verb) {
  for (OwnOption option = 0; option < OWN_OPTION_COUNT; option++) {
    const OwnOptionAbout *about = &own_options[option];
    if (!own_option_fits(verb, option)) continue;
    const char *text = about->text;
    if (option == OWN_OPTION_FORMAT) {
      text =
          keep_format("print as %s", command_line_choices_text(command_line_formats(verb), " or "));
    }
    help_page_entry(file,
                    keep_format("--%s%s%s", about->name, about->value != NULL ? " " : "",
                                about->value != NULL ? about->value : ""),
                    text);
  }
}

void help_page_verb(FILE *file, const ScriptHeader *verb) {
  fprintf(file, "%s\n\nusage: %s %s\n", verb->summary, message_program(), command_line_usage(verb));
  for (size_t i = 0; i < verb->alias_count; i++) {
    fprintf(file, "    or %s %s ...\n", message_program(),
            script_header_typed(verb->aliases[i].word));
  }
  help_page_about(file, verb->about);
  help_page_parameters(file, verb, true);
  help_page_parameters(file, verb, false);
  help_page_own_options(file, verb);
  if (verb->table_count > 0) fputs("\nTables for --format:\n", file);
  for (size_t i = 0; i < verb->table_count; i++) {
    help_page_entry(file, verb->tables[i].name, verb->tables[i].text);
    help_page_entry(file, "", keep_format("(%s)", verb->tables[i].columns));
  }
  if (verb->database != NULL) fprintf(file, "\nKeeps in --database: %s\n", verb->database);
  if (verb->status_count > 0) fputs("\nExit status:\n", file);
  for (size_t i = 0; i < verb->status_count; i++) {
    help_page_entry(file, verb->statuses[i].word, verb->statuses[i].text);
  }
  fputs("\nExamples:\n", file);
  for (size_t i = 0; i < verb->example_count; i++) {
    fprintf(file, "  %s\n", verb->examples[i].word);
  }
}
