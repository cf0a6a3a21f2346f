/*
** A hash table from names to positions in an array. Names are spans of one text, and each row of
** the array starts with such a span. A seed makes it impossible to write a file whose names all
** collide.
*/
#ifndef SAFETENSORS_BASE_NAME_TABLE_H
#define SAFETENSORS_BASE_NAME_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

typedef struct NameTable {
  uint64_t *slots; /* the hash's upper half, then the row's number plus one; 0 is free */
  uint64_t mask, seed;
  const char *text;
  const char *rows;
  size_t row_size;
} NameTable;

enum { NAME_TABLE_BATCH = 16 };

typedef enum NameTableResult {
  NAME_TABLE_BUILT,
  NAME_TABLE_DUPLICATE,
  NAME_TABLE_NO_MEMORY
} NameTableResult;

/* Starts an empty table with room for `count` rows, which name_table_add() adds one by one. Text
** and rows must outlive the table. False when memory runs out. */
bool name_table_start(NameTable *table, const char *text, const void *rows, size_t row_size,
                      uint32_t count);

/* The number of slots of a table for `count` rows. */
uint64_t name_table_slot_count(uint32_t count);

/* Does the same with memory of the caller for that many slots, which must outlive the table; then
** name_table_free() must not be called. */
void name_table_start_in(NameTable *table, uint64_t *slots, const char *text, const void *rows,
                         size_t row_size, uint32_t count);

/* Adds row number `row`. False if an earlier row has the same name; *earlier is then its number,
** and the table finds the later row from now on. */
bool name_table_add(NameTable *table, uint32_t row, uint32_t *earlier);

/* Adds `count` rows from number `first` on, at most NAME_TABLE_BATCH, which takes less time than one by
** one. False if one of them has the name of an earlier row; *duplicate is then the first such row, and
** the table must not be used any more. */
bool name_table_add_batch(NameTable *table, uint32_t first, uint32_t count, uint32_t *duplicate);

/* Builds the table over `count` rows of `row_size` bytes, each starting with the Span of its name.
** Text and rows must outlive the table. On NAME_TABLE_DUPLICATE, *duplicate is the number of a row
** whose name occurred before. */
NameTableResult name_table_build(NameTable *table, const char *text, const void *rows,
                                 size_t row_size, uint32_t count, uint32_t *duplicate);

/* The number of the row with this name. False when there is none. */
bool name_table_find(const NameTable *table, const char *name, uint64_t length, uint32_t *row);

void name_table_free(NameTable *table);

/* Compares names byte by byte. A name precedes the names that begin with it. */
int name_table_compare(const char *a, uint64_t a_length, const char *b, uint64_t b_length);

#endif
