/* The tensors of a checkpoint of several files in the order of their offsets: of one file that is
** the order they come in anyway. */
#ifndef SAFETENSORS_VTAB_OFFSET_ORDER_H
#define SAFETENSORS_VTAB_OFFSET_ORDER_H

#include "vtab/path_table.h"

typedef struct OrderedTensor {
  uint64_t offset;
  uint32_t member, row;
} OrderedTensor;

/* Starts as {0}; offset_order_clear() releases it. */
typedef struct OffsetOrder {
  OrderedTensor *tensors;
  uint64_t count, at;
} OffsetOrder;

/* Opens every member of the scan and sorts what it has. Returns an SQLite code. */
int offset_order_build(OffsetOrder *order, PathTable *table, PathScan *scan);

void offset_order_clear(OffsetOrder *order);

#endif
