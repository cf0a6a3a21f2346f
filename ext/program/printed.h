/*
** Where the program prints what was asked for: stdout, or the file of --output. Text for people has
** colours on a terminal, unless NO_COLOR is set.
*/
#ifndef SAFETENSORS_PROGRAM_PRINTED_H
#define SAFETENSORS_PROGRAM_PRINTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prints into a file from here on; NULL or "-": stdout. Returns false after a message. */
bool printed_open(const char *path);

/* The stream for what is no text for people. */
FILE *printed_stream(void);

/* Text for people, which is whole lines. */
void printed_text(const char *text);

/* Ends the output. Returns false after a message if it could not be written. */
bool printed_close(void);

#endif
