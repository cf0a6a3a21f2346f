/* What the program does besides running scripts. */
#ifndef SAFETENSORS_PROGRAM_COMMAND_LIST_H
#define SAFETENSORS_PROGRAM_COMMAND_LIST_H

#include <stddef.h>
#include <stdio.h>

#include "base/suggest.h"

typedef struct Command {
  const char *name, *arguments;
  const char *text;    /* one sentence for the help */
  const char *options; /* those that completion offers, with '|' between them, or NULL */
} Command;

/* All of them; NULL behind the last. */
const Command *command_list_at(size_t number);

const Command *command_list_named(const char *name);

/* Offers their names. */
void command_list_offer(Suggest *suggest);

/* What it does, and how it is called. */
void command_list_usage(FILE *file, const Command *command);

#endif
