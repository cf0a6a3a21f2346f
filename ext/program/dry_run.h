/*
** A run that writes nothing: the script runs in a transaction that is rolled back, and so the tables of
** the extension write no file. What the shell's writefile() would write is only noted.
*/
#ifndef SAFETENSORS_PROGRAM_DRY_RUN_H
#define SAFETENSORS_PROGRAM_DRY_RUN_H

#include <sqlite3.h>
#include <stdbool.h>

#include "program/command_line.h"

/* Both return false after a message. */
bool dry_run_begin(sqlite3 *db);

/* Says what would be written, on stderr if stdout has a format for machines, and rolls back. */
bool dry_run_end(sqlite3 *db, const ScriptHeader *verb, const CommandLine *line);

#endif
