/*
** The modules that an adapter changes: LoRA and its relatives, in the namings of the tools that write
** them (adapter_name.h), with their configuration (adapter_config.h), and which weights of a base model
** they mean (adapter_base.h). Headers are read, configurations, and the numbers `alpha` that kohya's
** files have as tensors.
**
** The shards of an index are one adapter. Of a directory or pattern, each file is one by itself.
**
** What was worked out about a path and a base stays in the session, and is used again as long as neither
** the files nor their configurations change. All takes time in proportion to the number of tensors.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_H
#define SAFETENSORS_MODEL_ADAPTER_H

#include "model/adapter_list.h"
#include "model/checkpoint.h"
#include "model/weights.h"

typedef struct Adapter Adapter;

/* The modules of a checkpoint. `path` is its argument, NULL for a BLOB; `base` is NULL if no base was
** given, and `base_has_path` false if it is a BLOB. With `skips`, files that cannot be read have no rows. NULL on an error. adapter_release()
** releases the result, which does not depend on the Checkpoint, but numbers its members. */
Adapter *adapter_open(Checkpoint *checkpoint, const char *path, Weights *base, bool base_has_path,
                      bool skips, Error *error);

void adapter_release(Adapter *adapter);

/* What they are. Belongs to the Adapter. */
const AdapterList *adapter_list(const Adapter *adapter);

#endif
