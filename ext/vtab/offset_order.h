/* The tensors of a checkpoint of several files in the order of their offsets. The tensors of one
** file are in that order anyway. */
#ifndef SAFETENSORS_VTAB_OFFSET_ORDER_H
#define SAFETENSORS_VTAB_OFFSET_ORDER_H

#include "sql/path_table.h"

typedef struct OrderedTensor {
  uint64_t offset;
  uint32_t member, row;
} OrderedTensor;

/* Starts as {0}; offset_order_clear() releases it. */
typedef struct OffsetOrder {
  OrderedTensor *tensors;
  uint64_t count, at;
} OffsetOrder;

/* Opens every member of the scan and sorts its tensors. Returns a result code. */
int offset_order_build(OffsetOrder *order, PathTable *table, PathScan *scan);

void offset_order_clear(OffsetOrder *order);

#endif
