/*
** Memory that lives as long as the program. It comes from the C library: SQLite's allocator may not be
** used before SQLite is configured. When memory runs out, the program ends with a sentence.
*/
#ifndef SAFETENSORS_PROGRAM_KEEP_H
#define SAFETENSORS_PROGRAM_KEEP_H

#include <stddef.h>
#include <stdio.h>

/* Zeroed. */
void *keep(size_t size);

/* A NUL-terminated copy. */
char *keep_text(const char *text, size_t length);

/* printf() into kept memory. */
char *keep_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An array with room for one more row than `count`: `rows`, or a larger copy of it. Arrays begin as
** NULL, with count 0. */
void *keep_row(void *rows, size_t count, size_t row_size);

/* All that a stream has, with a NUL behind it. ferror() says whether reading failed. */
char *keep_stream(FILE *stream, size_t *length);

/* The block itself; if it is NULL, the program ends because memory ran out. */
void *keep_checked(void *block);

#endif
