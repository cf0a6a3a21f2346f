#include "program/command_list.h"

#include <string.h>

#include "program/message.h"

static const Command command_list[] = {
    {"sql", "QUERY...", "Run queries, or those on standard input (-)",
     "--json|--csv|--markdown|--box|--html|--format|--output|--threads|--database|--param"},
    {"shell", "[ARGUMENT]...", "SQLite's shell, with the tables and functions", NULL},
    {"script", "FILE [ARGUMENT]...", "Run a script of your own, with a header, as a verb", NULL},
    {"help", "[VERB]", "What a verb takes, and what it leaves", NULL},
    {"completion", "bash|zsh|fish", "What a shell evaluates to complete commands", NULL},
    {"skill", "[DIRECTORY]", "Install SKILL.md, for a coding assistant", NULL},
};

const Command *command_list_at(size_t number) {
  return number < sizeof command_list / sizeof command_list[0] ? &command_list[number] : NULL;
}

void command_list_offer(Suggest *suggest) {
  const Command *command;
  for (size_t i = 0; (command = command_list_at(i)) != NULL; i++) {
    suggest_offer(suggest, command->name, strlen(command->name));
  }
}

const Command *command_list_named(const char *name) {
  const Command *command;
  for (size_t i = 0; (command = command_list_at(i)) != NULL; i++) {
    if (strcmp(command->name, name) == 0) return command;
  }
  return NULL;
}

void command_list_usage(FILE *file, const Command *command) {
  fprintf(file, "%s.\n\nusage: %s %s %s\n", command->text, message_program(), command->name,
          command->arguments);
  if (command->options == NULL) return;
  fputs("\nOptions:", file);
  for (const char *at = command->options; *at != '\0';) {
    int length = (int)strcspn(at, "|");
    fprintf(file, " %.*s", length, at);
    at += length + (at[length] == '|');
  }
  fputc('\n', file);
}
