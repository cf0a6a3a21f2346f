/* A row of an adapter's table while it is made. */
#ifndef SAFETENSORS_MODEL_ADAPTER_DRAFT_H
#define SAFETENSORS_MODEL_ADAPTER_DRAFT_H

#include "model/adapter_base.h"
#include "model/adapter_group.h"
#include "model/adapter_list.h"
#include "model/adapter_scale.h"

enum { ADAPTER_SHARED_ROLES = 7 };

/* What rows are made from. */
typedef struct AdapterContext {
  Checkpoint *checkpoint;
  const AdapterFile *files;
  bool is_one;                                   /* the files are shards of one adapter */
  AdapterTensor (*shared)[ADAPTER_SHARED_ROLES]; /* of each file, what belongs to all its modules */
  const AdapterBase *base;                       /* NULL if none was given */
  bool base_has_path;                            /* it is no BLOB */
  bool is_control; /* the file says that it is a network beside the model */
  AdapterList *list;
  uint64_t steps; /* that patterns have taken */
} AdapterContext;

typedef struct AdapterDraft {
  AdapterContext *context;
  AdapterGroup *group;
  AdapterKind kind;
  const AdapterTraits *traits;
  const AdapterConfig *config; /* NULL if there is none */
  const char *module;          /* without the component */
  uint64_t module_length;
  const char *parameter; /* what of the module is changed */
  uint64_t parameter_length;
  AdapterFit fit;
  AdapterScaling scaling;
  bool computes;      /* nothing so far keeps the change from being computed */
  AdapterShape shape; /* of the change */
  bool is_matched;    /* the base has the weight */
  uint32_t match;     /* its row in the base */
  sqlite3_str *status, *options, *weight;
} AdapterDraft;

/* The place of a role in `shared`, or -1. */
int adapter_draft_shared(AdapterRole role);

/* Appends a remark to the status; the second also says that the change cannot be computed. */
void adapter_draft_remark(AdapterDraft *draft, const char *text);
void adapter_draft_refuse(AdapterDraft *draft, const char *text);

/* Finds out what the module is: its kind, its configuration, its rank and scale, and how its parts fit
** together. Returns false with an error. */
bool adapter_draft_begin(AdapterDraft *draft, Error *error);

/* The module's name without what wraps a parameter: see target_parameters. */
uint64_t adapter_draft_unwrapped(const AdapterDraft *draft);

#endif
