/* The tensors of one module, by their roles. */
#ifndef SAFETENSORS_MODEL_ADAPTER_GROUP_H
#define SAFETENSORS_MODEL_ADAPTER_GROUP_H

#include "model/adapter_config.h"
#include "model/adapter_kind.h"
#include "model/checkpoint.h"

/* A file of the adapter, which stays open while its rows are made. */
typedef struct AdapterFile {
  Member member;           /* empty if the file cannot be read, and is passed over */
  AdapterConfigs *configs; /* belongs to the first file of its directory */
  bool owns_configs;
} AdapterFile;

typedef struct AdapterTensor {
  const TensorEntry *entry; /* NULL if there is none */
  uint32_t file;
} AdapterTensor;

typedef struct AdapterGroup {
  AdapterName name; /* of the first tensor; its texts are parts of the header's */
  uint32_t file;    /* of the first tensor */
  AdapterTensor tensors[ADAPTER_ROLE_COUNT]; /* of OTHER: the first */
  AdapterPiecePart parts[ADAPTER_ROLE_COUNT];
  AdapterTensor *others; /* all tensors of the role OTHER */
  uint64_t other_count, other_capacity;
  AdapterTensor doubled; /* a second tensor of a role */
  AdapterRole doubled_role;
  bool is_dora_scale;
} AdapterGroup;

/* Empties a group for the next module. */
void adapter_group_begin(AdapterGroup *group);

/* Adds a tensor; `name` is its name, taken apart. Returns false if memory runs out. */
bool adapter_group_add(AdapterGroup *group, const AdapterFile *files, AdapterTensor tensor,
                       const AdapterName *name, Error *error);

void adapter_group_clear(AdapterGroup *group);

/* Reads a tensor of one element as a number. Returns false if it has more, or a dtype that is no number,
** with *problem what was expected; or with an error. */
bool adapter_group_read_number(Checkpoint *checkpoint, const AdapterFile *files,
                               AdapterTensor tensor, double *number, const char **problem,
                               Error *error);

#endif
