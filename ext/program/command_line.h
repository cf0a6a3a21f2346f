/*
** The words behind a verb: the parameters of its script, and the program's own options. All that can be
** wrong with them is found here, before anything runs.
*/
#ifndef SAFETENSORS_PROGRAM_COMMAND_LINE_H
#define SAFETENSORS_PROGRAM_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "program/script_header.h"

/* The program's own options, which a script's parameters of the same name come before; but --format is
** the program's, and hands to the script's parameter `format` the words that are the script's alone. */
typedef enum OwnOption {
  OWN_OPTION_OUTPUT,
  OWN_OPTION_FORMAT,
  OWN_OPTION_TABLE,
  OWN_OPTION_THREADS,
  OWN_OPTION_DATABASE,
  OWN_OPTION_PARAM,
  OWN_OPTION_DRY_RUN,
  OWN_OPTION_OPEN,
  OWN_OPTION_HELP,
  OWN_OPTION_COUNT
} OwnOption;

typedef struct OwnOptionAbout {
  const char *name;  /* "dry-run" */
  const char *value; /* what its value is called, or NULL if it has none */
  const char *text;
} OwnOptionAbout;

extern const OwnOptionAbout own_options[OWN_OPTION_COUNT];

/* "json|csv|markdown|box|html": what --format takes; each is an option itself. */
#define OWN_FORMATS "json|csv|markdown|box|html"

/* What --format takes for a verb: OWN_FORMATS, and what its script has besides, "text|junit|sarif". Kept
** memory. */
const char *command_line_formats(const ScriptHeader *verb);

/* The words of `choices` for a sentence: "a, b or c". Kept memory. */
const char *command_line_choices_text(const char *choices, const char *last);

/* The script's own parameter that --format sets, or NULL. */
const ScriptParameter *command_line_format_parameter(const ScriptHeader *verb);

/* Whether the verb takes this option: --dry-run only if it writes, and so on. */
bool own_option_fits(const ScriptHeader *verb, OwnOption option);

typedef struct CommandLine {
  const char **values; /* of each parameter of the verb; NULL if it is not given */
  const char
      *own[OWN_OPTION_COUNT]; /* the value of each option, "" if it has none; NULL likewise */
  const char **words;         /* of a command that is no script: all other words */
  size_t word_count;
  const char **bindings; /* NAME=VALUE of each --param */
  size_t binding_count;
} CommandLine;

/* Reads the words behind a verb; `line` starts as zeros. Returns false after a message. */
bool command_line_read(const ScriptHeader *verb, int count, char **words, CommandLine *line);

/* Reads those behind a command that is no script, which takes the options of the mask (1u << option). */
bool command_line_read_words(const char *command, unsigned options, int count, char **words,
                             CommandLine *line);

/* "compare A B [OPTION]...": kept memory. */
const char *command_line_usage(const ScriptHeader *verb);

/* The name of an argument as the help shows it: "PREFIX_A". Kept memory. */
const char *command_line_placeholder(const char *name);

#endif
