/*
** The tensors of two checkpoints, paired by name: their FULL JOIN. Rows are in the order of a,
** followed by what only b has. If several files of a directory or pattern have the same name, each
** is paired with each of the other side.
*/
#ifndef SAFETENSORS_VTAB_PAIRING_H
#define SAFETENSORS_VTAB_PAIRING_H

#include "sql/path_table.h"

typedef struct PairingSide {
  PathScan scan;
  const TensorEntry *entry; /* of the current row; NULL if this side has no tensor */
  const TensorEntry *end;   /* the end of the tensors of its member */
} PairingSide;

/* Starts as {0}; pairing_close() releases it. */
typedef struct Pairing {
  PathTable *table;
  PairingSide a, b;
  RowIdentity rows;
  sqlite3_value *name;         /* the name to look up; NULL for all */
  bool found_in_a;             /* a has a tensor of that name */
  bool behind_a;               /* all tensors of a are done */
  const TensorEntry *expected; /* in b, if it is one file: the tensor after the last one */
  unsigned char **paired;      /* for each member of b, a bit for each tensor that a has too */
  uint32_t paired_count;
} Pairing;

/* Opens the two paths argv[0] and argv[1], or keeps them open if they are the same as before,
** and goes to the first row. With `name`, which may be NULL, only tensors of that name are rows. */
int pairing_open(Pairing *pairing, PathTable *table, int plan, sqlite3_value **argv,
                 sqlite3_value *name);
void pairing_close(Pairing *pairing);

int pairing_next(Pairing *pairing);
bool pairing_at_end(const Pairing *pairing);

/* It is unique over all pairs of paths, and the same under a lookup. */
int pairing_rowid(Pairing *pairing, sqlite3_int64 *out);

#endif
