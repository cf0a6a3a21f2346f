/* Takes a script apart as the sqlite3 shell does: into its dot-commands, and the statements between. */
#ifndef SAFETENSORS_PROGRAM_SCRIPT_STEP_H
#define SAFETENSORS_PROGRAM_SCRIPT_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* The script that is taken apart, and how far. */
typedef struct ScriptReader {
  const char *at, *end;
} ScriptReader;

typedef struct ScriptStep {
  const char *text; /* NUL-terminated, from malloc(): the caller releases it */
  bool is_command;  /* a dot-command, else statements that are complete, or the end of the script */
} ScriptStep;

/* The next step, or false at the end. */
bool script_step_next(ScriptReader *reader, ScriptStep *step);

#endif
