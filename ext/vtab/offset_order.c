#include "vtab/offset_order.h"

#include "base/memory.h"
#include "base/sort.h"

static int offset_order_compare(const void *a, const void *b) {
  const OrderedTensor *left = a, *right = b;
  if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
  if (left->member != right->member) return left->member < right->member ? -1 : 1;
  return left->row < right->row ? -1 : left->row > right->row;
}

static bool offset_order_add_member(OffsetOrder *order, const Header *header, uint32_t member) {
  OrderedTensor *tensors =
      memory_resize(order->tensors, order->count + header->tensor_count, sizeof *tensors);
  if (tensors == NULL) return false;
  order->tensors = tensors;
  for (uint32_t row = 0; row < header->tensor_count; row++) {
    uint64_t offset = header_data_offset(header) + header->tensors[row].begin;
    tensors[order->count++] = (OrderedTensor){offset, member, row};
  }
  return true;
}

int offset_order_build(OffsetOrder *order, PathTable *table, PathScan *scan) {
  bool more = true;
  int code = path_scan_keep_open(table, scan);
  if (code != SQLITE_OK) return code;
  for (uint32_t member = 0;; member = scan->member_number + 1) {
    code = path_scan_member(table, scan, member, &more);
    if (code != SQLITE_OK) return code;
    if (!more) break;
    if (!offset_order_add_member(order, scan->member.header, scan->member_number)) {
      return result_vtab_memory(&table->base);
    }
  }
  Error error = {0};
  if (sort_rows(order->tensors, order->count, sizeof *order->tensors, offset_order_compare,
                session_cancel(table->session), table->name, &error)) {
    return SQLITE_OK;
  }
  return result_vtab_error(&table->base, &error);
}

void offset_order_clear(OffsetOrder *order) {
  memory_free(order->tensors);
  *order = (OffsetOrder){0};
}
