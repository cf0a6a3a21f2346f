/* What the program asks of the operating system. */
#ifndef SAFETENSORS_PROGRAM_SYSTEM_H
#define SAFETENSORS_PROGRAM_SYSTEM_H

#include <stdbool.h>
#include <stdio.h>

/* Prepares the process: text is UTF-8, its words too, and a standard stream that is closed is not
** given to the next file that is opened. Returns false if stdout is closed. */
bool system_begin(int *count, char ***words);

/* The system that the program was built for, and the machine: "linux-musl x86_64". */
const char *system_name(void);

bool system_stdout_is_terminal(void);

/* How many processors may be used, or 1. */
unsigned system_processors(void);

/* Opens a file whose name is UTF-8 to write bytes, or to read them; NULL with errno. */
FILE *system_open_to_write(const char *path);
FILE *system_open_to_read(const char *path);

/* Creates a directory; that it exists is no error. */
bool system_make_directory(const char *path);

/* Creates an empty file with this ending in the directory for temporary files, and returns its path in
** kept memory; NULL with errno. */
const char *system_temporary_file(const char *ending);

/* Hands a file to the program that people read it with. Returns false if there is none. */
bool system_open_in_browser(const char *path);

#endif
