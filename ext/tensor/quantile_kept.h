/*
** What passes for quantiles have counted, which the session keeps: another quantile of the same tensor needs no pass for
** what is there. A few tables are kept, 4 MB in all, those that were used last.
*/
#ifndef SAFETENSORS_TENSOR_QUANTILE_KEPT_H
#define SAFETENSORS_TENSOR_QUANTILE_KEPT_H

#include "base/key.h"
#include "model/session.h"

enum {
  COUNTED_BITS = 16, /* of a key of quantile.c, which one pass counts */
  COUNTED_DIGITS = 1 << COUNTED_BITS
};

/* What a pass counts. */
typedef struct QuantileCounts {
  uint64_t counts[COUNTED_DIGITS]; /* of the elements in the range, by their next digit */
  uint64_t above; /* the last key of the range less the smallest above it, modulo 2^64 */
} QuantileCounts;

/* The keys that can still be the one that is sought: those with these digits at the top. */
typedef struct QuantileRange {
  unsigned digits;
  uint64_t key; /* the smallest of them */
} QuantileRange;

typedef struct QuantileTable {
  Key tensor; /* what its elements depend on; empty: the counts are of no use to anything else */
  QuantileRange range;
  uint64_t used; /* when it was used last */
  QuantileCounts counts;
} QuantileTable;

/* The counts of the elements of a tensor that are in a range, or NULL. Valid until another table is made. */
QuantileTable *quantile_kept_find(Session *session, const Key *tensor, QuantileRange range);

/* A table of zeros to count into, in place of the one that was not used for the longest time. It is only found again
** once quantile_kept_keep() was called. NULL when memory runs out. */
QuantileTable *quantile_kept_new(Session *session);
void quantile_kept_keep(QuantileTable *table, const Key *tensor, QuantileRange range);

#endif
