/* Runs a script, or queries, in a connection of their own. */
#ifndef SAFETENSORS_PROGRAM_RUN_SCRIPT_H
#define SAFETENSORS_PROGRAM_RUN_SCRIPT_H

#include "program/command_line.h"
#include "program/exit_status.h"
#include "program/script_header.h"

/* Runs a script with the parameters of the command line. */
ExitStatus run_script(const ScriptHeader *verb, const CommandLine *line);

/* Runs what the words of the command line are: SQL, and dot-commands. */
ExitStatus run_queries(const CommandLine *line);

#endif
