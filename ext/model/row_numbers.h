/*
** Assigns rowids to the rows of table-valued functions, depending on their arguments.
**
** SQLite identifies rows by rowid alone when it evaluates an OR by several lookups, and when it
** records what a RIGHT or FULL JOIN has matched. So a rowid has to be unique among all rows of a
** table of a connection, whatever its arguments are. Each set of rows, identified by a key, is
** assigned a range of numbers when it is first asked for, and keeps it.
**
** No number is assigned twice until all 2^63 are used up. Ranges are only forgotten when no cursor
** is open, so that nothing can compare their numbers. If there are many of them, a set is then
** assigned another range the next time.
*/
#ifndef SAFETENSORS_MODEL_ROW_NUMBERS_H
#define SAFETENSORS_MODEL_ROW_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct RowNumbers RowNumbers;

/* Identifies a set of rows: a 128-bit hash of everything that determines it. */
typedef struct RowKey {
  uint64_t high, low;
} RowKey;

/* NULL if memory runs out. row_numbers_free() releases it. */
RowNumbers *row_numbers_new(void);
void row_numbers_free(RowNumbers *numbers);

/* A seed for the hashes that foreign data cannot predict. */
uint64_t row_numbers_seed(const RowNumbers *numbers);

/* Forgets the ranges if there are many. Must only be called when no cursor is open, that is,
** without a lease (session.h). */
void row_numbers_trim(RowNumbers *numbers);

/* Sets *first to the first of `count` consecutive numbers for the set `key`: the same as last time,
** unless the set has grown. Returns false, with an error, if memory or the numbers run out. */
bool row_numbers_range(RowNumbers *numbers, RowKey key, uint64_t count, int64_t *first,
                       Error *error);

#endif
