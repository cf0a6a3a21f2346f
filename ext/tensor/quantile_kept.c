#include "tensor/quantile_kept.h"

#include <string.h>

#include "base/memory.h"

enum { COUNTED_TABLES = 8 };

/* What the session keeps. */
typedef struct QuantileTables {
  QuantileTable *tables[COUNTED_TABLES]; /* NULL from the first that was not needed yet */
  uint64_t uses;
} QuantileTables;

static void quantile_kept_free(void *guest) {
  QuantileTables *kept = guest;
  for (unsigned i = 0; i < COUNTED_TABLES && kept->tables[i] != NULL; i++) {
    key_clear(&kept->tables[i]->tensor);
    memory_free(kept->tables[i]);
  }
  memory_free(kept);
}

QuantileTable *quantile_kept_find(Session *session, const Key *tensor, QuantileRange range) {
  QuantileTables *kept = session_quantiles(session)->guest;
  for (unsigned i = 0; kept != NULL && i < COUNTED_TABLES && kept->tables[i] != NULL; i++) {
    QuantileTable *table = kept->tables[i];
    if (table->range.digits != range.digits || table->range.key != range.key ||
        !key_equals(&table->tensor, tensor))
      continue;
    table->used = 1 + ++kept->uses;
    return table;
  }
  return NULL;
}

/* Tables that are of no use come first, then places without one. */
static uint64_t quantile_kept_age(const QuantileTable *table) {
  if (table == NULL) return 1;
  return table->tensor.length == 0 ? 0 : table->used;
}

QuantileTable *quantile_kept_new(Session *session) {
  SessionGuest *guest = session_quantiles(session);
  if (guest->guest == NULL) guest->guest = memory_zeroed(1, sizeof(QuantileTables));
  guest->release = quantile_kept_free;
  QuantileTables *kept = guest->guest;
  if (kept == NULL) return NULL;
  QuantileTable **oldest = &kept->tables[0];
  for (unsigned i = 1; i < COUNTED_TABLES; i++) {
    if (quantile_kept_age(kept->tables[i]) < quantile_kept_age(*oldest)) oldest = &kept->tables[i];
  }
  if (*oldest == NULL)
    *oldest = memory_alloc(sizeof **oldest);
  else
    key_clear(&(*oldest)->tensor);
  if (*oldest == NULL) return NULL;
  memset(*oldest, 0, sizeof **oldest);
  (*oldest)->used = 1 + ++kept->uses;
  return *oldest;
}

void quantile_kept_keep(QuantileTable *table, const Key *tensor, QuantileRange range) {
  table->range = range;
  if (tensor != NULL && !key_put(&table->tensor, tensor->bytes, tensor->length))
    key_clear(&table->tensor);
}
