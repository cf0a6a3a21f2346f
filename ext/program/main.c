/*
** safetensors-sql: the scripts of sql/ as verbs, SQLite's shell, and the extension in one program.
*/
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "program/command.h"
#include "program/command_list.h"
#include "program/help_page.h"
#include "program/message.h"
#include "program/system.h"
#include "program/verb.h"
#include "safetensors.h"

/* Whether somebody who left the verb out may have meant a checkpoint by this word. */
static bool main_is_checkpoint(const char *word) {
  return strstr(word, ".safetensors") != NULL || strchr(word, '/') != NULL;
}

static ExitStatus main_unknown(const char *word) {
  if (*word == '-') {
    message(NULL, "expected a verb, before options, found \"%s\"; see `help`", word);
    return EXIT_STATUS_USAGE;
  }
  if (main_is_checkpoint(word)) {
    message(NULL, "expected a verb, before a checkpoint, found \"%s\"; try `info`", word);
    return EXIT_STATUS_USAGE;
  }
  const char *inside = verb_folder(word);
  if (inside != NULL) {
    message(word, "expected one of its verbs: %s", inside);
    return EXIT_STATUS_USAGE;
  }
  Suggest suggest = {.word = word, .length = strlen(word)};
  verb_offer(&suggest);
  command_list_offer(&suggest);
  char *hint = suggest_text(&suggest, "");
  message(NULL, "there is no verb \"%s\"%s%s", word,
          hint != NULL && *hint != '\0' ? hint : "; see ",
          hint != NULL && *hint != '\0' ? "" : "`help`");
  memory_free(hint);
  return EXIT_STATUS_USAGE;
}

static ExitStatus main_version(void) {
  printf("safetensors-sql %s (SQLite %s, %s)\n", SAFETENSORS_VERSION, sqlite3_libversion(),
         system_name());
  return EXIT_STATUS_GOOD;
}

static ExitStatus main_run(int count, char **words) {
  ExitStatus status;
  int used;
  if (count < 2) {
    help_page_all(stderr);
    return EXIT_STATUS_USAGE;
  }
  const char *word = words[1];
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
    help_page_all(stdout);
    return EXIT_STATUS_GOOD;
  }
  if (strcmp(word, "--version") == 0) return main_version();
  if (command_run(word, count - 2, words + 2, &status)) return status;
  const ScriptHeader *verb = verb_find(count - 1, words + 1, &used);
  if (verb == NULL) return main_unknown(word);
  return command_verb(verb, count - 1 - used, words + 1 + used);
}

int main(int count, char **words) {
  if (!system_begin(&count, &words)) {
    message(NULL, "stdout is closed");
    return EXIT_STATUS_FAILED;
  }
  message_set_program(count > 0 ? words[0] : NULL);
  ExitStatus status = main_run(count, words);
  if (fflush(stdout) == 0 && !ferror(stdout)) return (int)status;
  if (status != EXIT_STATUS_FAILED) message(NULL, "stdout: it cannot be written");
  return EXIT_STATUS_FAILED;
}
