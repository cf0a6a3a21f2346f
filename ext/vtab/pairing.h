/*
** The tensors of two checkpoints, paired by name: a FULL JOIN of them. Rows come in the order of a,
** then what only b has. A name that several files of a folder or pattern have is paired with each of
** the other side's.
*/
#ifndef SAFETENSORS_VTAB_PAIRING_H
#define SAFETENSORS_VTAB_PAIRING_H

#include "vtab/path_table.h"

typedef struct PairingSide {
  PathScan scan;
  const TensorEntry *entry; /* of the current row; NULL if this side has none */
  const TensorEntry *end;   /* of those that its member has */
} PairingSide;

/* Starts as {0}; pairing_close() releases it. */
typedef struct Pairing {
  PathTable *table;
  PairingSide a, b;
  sqlite3_value *name;         /* the one that is looked up; else NULL */
  bool found_in_a;             /* that one */
  bool behind_a;               /* what is left is only b's */
  const TensorEntry *expected; /* in b, if it is one file: the tensor behind the last one */
  unsigned char **paired;      /* for each member of b, a bit for each tensor that a has too */
  uint32_t paired_count;
} Pairing;

/* Opens the two paths argv[0] and argv[1], or keeps them open if they are the same as before, and
** goes to the first row; with `name`, which may be NULL, of the tensors of that name. */
int pairing_open(Pairing *pairing, PathTable *table, int plan, sqlite3_value **argv,
                 sqlite3_value *name);
void pairing_close(Pairing *pairing);

int pairing_next(Pairing *pairing);
bool pairing_at_end(const Pairing *pairing);

/* Unique over both paths, and the same under a lookup. */
sqlite3_int64 pairing_rowid(const Pairing *pairing);

#endif
