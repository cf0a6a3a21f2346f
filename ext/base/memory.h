/*
** Memory, through SQLite's allocator: so that sqlite3_memory_used() counts what the extension
** holds, a soft heap limit applies to it, and a test can make any allocation fail.
**
** Every function returns NULL when memory runs out or the size overflows; nothing here aborts.
** What these functions return is released with memory_free() (or sqlite3_free(), the same thing).
*/
#ifndef SAFETENSORS_BASE_MEMORY_H
#define SAFETENSORS_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Uninitialised memory. A size of 0 is served as 1, so NULL always means failure. */
void *memory_alloc(uint64_t size);

/* count * size bytes, all zero. */
void *memory_zeroed(uint64_t count, uint64_t size);

/* Grows or shrinks an array to count * size bytes. On failure the old block is untouched. */
void *memory_resize(void *block, uint64_t count, uint64_t size);

/* Makes room for one row more behind the `count` of a growing array: *rows has room for *capacity,
** and both start as zero. False, and nothing changed, when memory runs out. */
bool memory_reserve(void **rows, uint64_t *capacity, uint64_t count, uint64_t row_size);

/* A NUL-terminated copy of length bytes. */
char *memory_copy_text(const char *text, uint64_t length);

void memory_free(void *block);

/* A seed that a stranger's file cannot predict, for hash tables over its names. */
uint64_t memory_random_seed(void);

#endif
