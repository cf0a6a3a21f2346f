/*
** Reads a view whose rows lie across the tensor, as those of a transposed matrix do: elements that
** follow each other are far apart, and those that lie together are wanted rows later. Some columns of
** the tensor are read together, piece by piece, and put in order as a panel of rows of the view.
*/
#ifndef SAFETENSORS_EXPRESSION_TURNED_H
#define SAFETENSORS_EXPRESSION_TURNED_H

#include "model/source.h"
#include "tensor/runs.h"

typedef struct Turned {
  const Runs *runs;
  Reader *reader;
  uint64_t size;         /* bytes of an element */
  uint32_t axis;         /* the walked dimension whose elements lie together */
  uint64_t width;        /* how many they are */
  uint64_t inner;        /* elements for each index of it: a row of the panel */
  uint64_t columns;      /* the most rows of a panel */
  uint64_t begin, count; /* the elements in the panel; none if count is 0 */
  uint64_t next;         /* the element behind those asked for last */
  unsigned char *panel;  /* once it is needed */
  unsigned char *strip;  /* some pieces of the tensor */
} Turned;

/* Whether a view, whose runs these are, is read so; if not, `turned` stays {0}. Elements have `bits`
** bits. A panel has at most `most` bytes. What is passed must outlive `turned`, which turned_close() releases. */
bool turned_open(Turned *turned, const Runs *runs, unsigned bits, uint64_t most, Reader *reader);
void turned_close(Turned *turned);

/* Whether `count` elements from `begin` on are worth a panel: a few, here and there, are not. */
bool turned_suits(const Turned *turned, uint64_t begin, uint64_t count);

/* The elements from `begin` on, at most `max` and at least one; how many goes to *count. Valid until
** the next call. NULL on an error, and once `asking`, which may be NULL, says to end. */
const unsigned char *turned_elements(Turned *turned, uint64_t begin, uint64_t max, uint64_t *count,
                                     const Asking *asking, Error *error);

#endif
