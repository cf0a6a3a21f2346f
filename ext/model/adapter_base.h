/*
** The weights of a base model, and which of them an adapter's module means.
**
** Names differ by what stands before them: PEFT wraps a model, a pipeline has components, a text model
** may be a part of another one. kohya writes '_' for '.', so names are compared with all dots written
** like that. A module means the weight
**
**   1. of exactly its name;
**   2. else the only one whose name ends with it;
**   3. else what 1. and 2. find when components are taken off its beginning, until one is a number. What
**      is taken off must be a wrapper's name ("model", "unet") unless the rest is a whole name.
**
** If several end with it, it is ambiguous. A layer's number is never passed over: what ends with a name
** without a number is a match only if nothing before it is a number.
**
** All ends of all names are in one hash table, so a lookup takes time in proportion to the name.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_BASE_H
#define SAFETENSORS_MODEL_ADAPTER_BASE_H

#include "base/cancel.h"
#include "model/weight_list.h"

/* Starts as {0}; adapter_base_clear() releases it. */
typedef struct AdapterBase {
  const WeightList *list;  /* its rows are the weights */
  char *folded;            /* its text, in which names have '_' for '.' */
  struct AdapterEnd *ends; /* of the names */
  uint64_t end_count, end_capacity;
  NameTable table; /* of the ends */
} AdapterBase;

typedef enum AdapterMatch {
  ADAPTER_MATCH_FOUND,
  ADAPTER_MATCH_NONE,
  ADAPTER_MATCH_AMBIGUOUS,
  ADAPTER_MATCH_NO_MEMORY
} AdapterMatch;

/* Makes the table of the weights, which must outlive it. Returns false with an error. */
bool adapter_base_build(AdapterBase *base, const WeightList *list, Cancel *cancel, Error *error);

void adapter_base_clear(AdapterBase *base);

/* Finds the weight MODULE + SUFFIX, such as ".weight". `kohya` says how the module is written. Sets
** *number to the number of its row, or to how many there are if it is ambiguous. */
AdapterMatch adapter_base_find(const AdapterBase *base, const char *module, uint64_t length,
                               const char *suffix, uint64_t suffix_length, bool kohya,
                               uint32_t *number);

#endif
