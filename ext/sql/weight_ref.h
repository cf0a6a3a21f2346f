/* The text of refs to weights: to a tensor, and what unpacks a packed weight. */
#ifndef SAFETENSORS_SQL_WEIGHT_REF_H
#define SAFETENSORS_SQL_WEIGHT_REF_H

#include "base/sqlite.h"
#include "model/checkpoint.h"
#include "model/weight_list.h"

/* Appends, as JSON, a ref to the tensor `name` of a member of the checkpoint, which is no BLOB. Returns
** false if memory runs out. */
bool weight_ref_append_tensor(sqlite3_str *out, const Checkpoint *checkpoint, uint32_t member,
                              const char *name, uint64_t length);

/* Appends the expression that unpacks a row of the list, which must be packed and decode. The checkpoint
** is that which the list was made from. */
bool weight_ref_append_expression(sqlite3_str *out, const Checkpoint *checkpoint,
                                  const WeightList *list, const WeightRow *row);

/* Appends, as JSON, what stands for the row in an expression: one of the two above. */
bool weight_ref_append(sqlite3_str *out, const Checkpoint *checkpoint, const WeightList *list,
                       const WeightRow *row);

/* Appends the key of a member of a JSON object, "{" or "," before it. */
void weight_ref_append_key(sqlite3_str *out, bool first, const char *key);

#endif
