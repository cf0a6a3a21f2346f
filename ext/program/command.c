#include "program/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "program/command_line.h"
#include "program/command_list.h"
#include "program/completion.h"
#include "program/help_page.h"
#include "program/keep.h"
#include "program/message.h"
#include "program/run_script.h"
#include "program/skill.h"
#include "program/sqlite_shell.h"
#include "program/system.h"
#include "program/verb.h"

/* Reads the words of a command that takes from `min` to `max` of them. */
static bool command_words(const char *name, unsigned options, size_t min, size_t max, int count,
                          char **words, CommandLine *line, ExitStatus *status) {
  const Command *command = command_list_named(name);
  *status = EXIT_STATUS_USAGE;
  if (!command_line_read_words(name, options | 1u << OWN_OPTION_HELP, count, words, line)) {
    return false;
  }
  if (line->own[OWN_OPTION_HELP] != NULL) {
    command_list_usage(stdout, command);
    *status = EXIT_STATUS_GOOD;
    return false;
  }
  if (line->word_count >= min && line->word_count <= max) return true;
  message(name, "expected %s, found %zu word%s", command->arguments, line->word_count,
          line->word_count == 1 ? "" : "s");
  return false;
}

static ExitStatus command_sql(int count, char **words) {
  ExitStatus status;
  CommandLine line = {0};
  unsigned options = 1u << OWN_OPTION_OUTPUT | 1u << OWN_OPTION_FORMAT | 1u << OWN_OPTION_THREADS |
                     1u << OWN_OPTION_DATABASE | 1u << OWN_OPTION_PARAM;
  if (!command_words("sql", options, 1, SIZE_MAX, count, words, &line, &status)) return status;
  return run_queries(&line);
}

ExitStatus command_verb(const ScriptHeader *verb, int count, char **words) {
  CommandLine line = {0};
  if (!command_line_read(verb, count, words, &line)) return EXIT_STATUS_USAGE;
  if (line.own[OWN_OPTION_HELP] != NULL) {
    help_page_verb(stdout, verb);
    return EXIT_STATUS_GOOD;
  }
  return run_script(verb, &line);
}

/* All of a file, in kept memory; NULL with errno. */
static const char *command_read_file(const char *path, size_t *size) {
  FILE *file = system_open_to_read(path);
  if (file == NULL) return NULL;
  const char *text = keep_stream(file, size);
  bool failed = ferror(file) != 0; /* as reading a directory does */
  fclose(file);
  return failed ? NULL : text;
}

/* What is told from a folder of checkpoints, which the verb `run` takes, by its name. */
static bool command_is_script(int count, char **words) {
  size_t length = count > 0 ? strlen(words[0]) : 0;
  return length > 4 && strcmp(words[0] + length - 4, ".sql") == 0;
}

/* `name` is how the command was typed. */
static ExitStatus command_run_file(const char *name, int count, char **words) {
  size_t size;
  if (count < 1 || strcmp(words[0], "--help") == 0) {
    command_list_usage(count < 1 ? stderr : stdout, command_list_named("script"));
    return count < 1 ? EXIT_STATUS_USAGE : EXIT_STATUS_GOOD;
  }
  const char *text = command_read_file(words[0], &size);
  if (text == NULL) {
    message(name, "%s: %s", words[0], strerror(errno));
    return EXIT_STATUS_FAILED;
  }
  ScriptHeader *verb = keep(sizeof *verb);
  const char *fault = script_header_read(words[0], text, size, verb);
  if (fault != NULL) {
    message(name, "%s", fault);
    return EXIT_STATUS_USAGE;
  }
  verb->text = text;
  verb->size = size;
  verb->typed = keep_format("%s %s", name, words[0]);
  return command_verb(verb, count - 1, words + 1);
}

static ExitStatus command_help(int count, char **words) {
  int used;
  if (count == 0) {
    help_page_all(stdout);
    return EXIT_STATUS_GOOD;
  }
  const ScriptHeader *verb = verb_find(count, words, &used);
  if (verb != NULL && used == count) {
    help_page_verb(stdout, verb);
  } else if (verb != NULL) {
    message("help", "expected nothing more, found \"%s\"", words[used]);
    return EXIT_STATUS_USAGE;
  } else if (count == 1 && command_list_named(words[0]) != NULL) {
    command_list_usage(stdout, command_list_named(words[0]));
  } else {
    Suggest suggest = {.word = words[0], .length = strlen(words[0])};
    verb_offer(&suggest);
    command_list_offer(&suggest);
    char *hint = suggest_text(&suggest, "");
    message("help", "there is no verb \"%s\"%s", words[0], hint != NULL ? hint : "");
    memory_free(hint);
    return EXIT_STATUS_USAGE;
  }
  return EXIT_STATUS_GOOD;
}

static ExitStatus command_completion(int count, char **words) {
  ExitStatus status;
  CommandLine line = {0};
  if (!command_words("completion", 0, 1, 1, count, words, &line, &status)) return status;
  if (completion_print(line.words[0])) return EXIT_STATUS_GOOD;
  message("completion", "expected bash, zsh or fish, found \"%s\"", line.words[0]);
  return EXIT_STATUS_USAGE;
}

static ExitStatus command_skill(int count, char **words) {
  ExitStatus status;
  CommandLine line = {0};
  if (!command_words("skill", 0, 0, 1, count, words, &line, &status)) return status;
  return skill_install(line.word_count > 0 ? line.words[0] : NULL) ? EXIT_STATUS_GOOD
                                                                   : EXIT_STATUS_FAILED;
}

/* The shell finds its own name in front of its arguments. */
static ExitStatus command_shell(int count, char **words) {
  words[-1] = keep_text(message_program(), strlen(message_program()));
  return (ExitStatus)sqlite_shell_main(count + 1, words - 1);
}

bool command_run(const char *name, int count, char **words, ExitStatus *status) {
  if (strcmp(name, "sql") == 0) {
    *status = command_sql(count, words);
  } else if (strcmp(name, "shell") == 0) {
    *status = command_shell(count, words);
  } else if (strcmp(name, "script") == 0 ||
             (strcmp(name, "run") == 0 && command_is_script(count, words))) {
    *status = command_run_file(name, count, words);
  } else if (strcmp(name, "help") == 0) {
    *status = command_help(count, words);
  } else if (strcmp(name, "completion") == 0) {
    *status = command_completion(count, words);
  } else if (strcmp(name, "skill") == 0) {
    *status = command_skill(count, words);
  } else if (strcmp(name, "complete") == 0) { /* what the completion of a shell calls */
    if (count > 0 && strcmp(words[0], "--") == 0) count--, words++;
    completion_answer(count, words);
    *status = EXIT_STATUS_GOOD;
  } else {
    return false;
  }
  return true;
}
