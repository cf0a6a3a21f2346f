/* Runs what the first words of the command line name. */
#ifndef SAFETENSORS_PROGRAM_COMMAND_H
#define SAFETENSORS_PROGRAM_COMMAND_H

#include <stdbool.h>

#include "program/exit_status.h"
#include "program/script_header.h"

/* Runs a verb with the words behind it. */
ExitStatus command_verb(const ScriptHeader *verb, int count, char **words);

/* Runs the command of that name, which is words[-1], with the words behind it. Returns false if there is
** none. */
bool command_run(const char *name, int count, char **words, ExitStatus *status);

#endif
