/*
** A list of rows, each with a name and a rowid: the tensors, or the metadata, of a file that is
** being written.
**
** A row never changes; a new version replaces it in the list. So a list is copied by copying
** pointers, a change is undone by putting the old version back, and a cursor with a reference to
** the list or to a row keeps what it began with.
**
** Rows are sorted by rowid, and keep it. Several rows may have the same name for a while, as when
** UPDATEs swap two names.
*/
#ifndef SAFETENSORS_WRITE_PENDING_ROWS_H
#define SAFETENSORS_WRITE_PENDING_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* Each kind of row starts with this. */
typedef struct PendingRow {
  uint32_t references;
  uint32_t name_length;
  const char *name; /* NUL-terminated; owned by the row, or by something that the row holds */
  void (*free)(struct PendingRow *row);
} PendingRow;

PendingRow *pending_row_retain(PendingRow *row);
void pending_row_release(PendingRow *row); /* may be NULL */

typedef struct PendingSlot {
  int64_t rowid;
  PendingRow *row; /* NULL if the row was deleted */
} PendingSlot;

/* A place in the table of names. */
typedef struct PendingRowsPlace {
  uint32_t slot; /* number of the slot plus one; 0 if free, UINT32_MAX if removed */
  uint32_t hash; /* hash of the name, so that few rows of other names are looked at */
} PendingRowsPlace;

/* Other files may read `slots`, `count` and `living`. */
typedef struct PendingRows {
  uint32_t references;
  uint32_t count;  /* number of slots */
  uint32_t living; /* number of rows that are not deleted */
  PendingSlot *slots;
  uint64_t capacity;
  PendingRowsPlace *table; /* finds a slot by its name; NULL until it is needed */
  uint64_t mask, used;     /* `used`: places that are not free */
  uint64_t seed;
  uint32_t twice; /* number of rows that had the name of an earlier row when they came */
} PendingRows;

/* Creates an empty list with one reference. Returns NULL if memory runs out. */
PendingRows *pending_rows_new(void);
PendingRows *pending_rows_retain(PendingRows *rows);
void pending_rows_release(PendingRows *rows); /* may be NULL */

/* If others hold *rows, too, replaces it by a copy. Returns false if memory runs out. */
bool pending_rows_own(PendingRows **rows);

/* Appends a row with a rowid greater than all others. Takes over the reference to it on success.
** Returns false if memory runs out, or if a file cannot have more rows. */
bool pending_rows_append(PendingRows *rows, int64_t rowid, PendingRow *row);

/* Removes the last slot, which undoes pending_rows_append(). */
void pending_rows_remove_last(PendingRows *rows);

/* Puts a row, or NULL, into a slot, and takes over the reference to it. Returns the old row with
** its reference. Cannot fail. */
PendingRow *pending_rows_put(PendingRows *rows, uint32_t slot, PendingRow *row);

/* The greatest rowid so far, or 0. */
int64_t pending_rows_last_rowid(const PendingRows *rows);

/* Finds the slot with that rowid. Returns false if there is none, or if the row was deleted. */
bool pending_rows_find_rowid(const PendingRows *rows, int64_t rowid, uint32_t *slot);

/* Builds the table of names, which the functions below need. Returns false if memory runs out. */
bool pending_rows_know_names(PendingRows *rows);

/* Finds a slot with that name. Skips slot `but`, unless that is UINT32_MAX. Returns false if
** there is none. */
bool pending_rows_find_name(const PendingRows *rows, const char *name, uint64_t length,
                            uint32_t but, uint32_t *slot);

/* Whether all names are distinct. */
bool pending_rows_are_unique(const PendingRows *rows);

/* Returns a row whose name another one has, too, or NULL if all names are distinct. */
const PendingRow *pending_rows_find_twice(const PendingRows *rows);

#endif
