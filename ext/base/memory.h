/*
** Memory from SQLite's allocator, so that sqlite3_memory_used() counts what the extension holds, a
** soft heap limit applies to it, and a test can make any allocation fail.
**
** Every function returns NULL when memory runs out or the size overflows; nothing here aborts.
** memory_free() releases what these functions return, and so does sqlite3_free().
*/
#ifndef SAFETENSORS_BASE_MEMORY_H
#define SAFETENSORS_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest block that SQLite's allocator provides, and the size from which a block counts as
** large. */
#define MEMORY_MAX   ((uint64_t)0x7ffffeff)
#define MEMORY_LARGE ((uint64_t)4 << 20)

/* Uninitialised memory. A size of 0 is treated as 1, so NULL always means failure. */
void *memory_alloc(uint64_t size);

/* count * size bytes, all of them zero. */
void *memory_zeroed(uint64_t count, uint64_t size);

/* Grows or shrinks an array to count * size bytes. On failure the old block is untouched. */
void *memory_resize(void *block, uint64_t count, uint64_t size);

/* Makes room for one more row at the end of a growing array that has `count` rows, and *capacity
** as its size; *rows and *capacity start as zero. When memory runs out, it returns false and
** changes nothing. */
bool memory_reserve(void **rows, uint64_t *capacity, uint64_t count, uint64_t row_size);

/* A NUL-terminated copy of length bytes. */
char *memory_copy_text(const char *text, uint64_t length);

void memory_free(void *block);

/* Where a text of `size` bytes, at least one, begins within `length` bytes. NULL if it does not. */
const char *memory_find(const char *bytes, uint64_t length, const char *text, size_t size);

/* For memory_alloc() and memory_resize(): asks the system to use large pages for a large block, which
** may do nothing. Defined in memory_posix.c and memory_windows.c. */
void memory_prefer_large_pages(void *block, uint64_t size);

/* The size of the last allocation that failed on this thread, if it was large, else 0. It is
** then forgotten. */
uint64_t memory_take_refused(void);

/* A seed that nobody who writes a file can predict, for hash tables over its names. */
uint64_t memory_random_seed(void);

#endif
