/* What the headers of a model say: whether it can be opened, and what is in it. */
#ifndef SAFETENSORS_MODEL_MODEL_STATE_H
#define SAFETENSORS_MODEL_MODEL_STATE_H

#include "model/model_group.h"
#include "model/model_kind.h"

typedef enum ModelStatus {
  MODEL_STATUS_OK,
  MODEL_STATUS_MISSING, /* a file is */
  MODEL_STATUS_INVALID,
  MODEL_STATUS_EMPTY /* there are no tensors */
} ModelStatus;

/* Starts as {0}; model_state_clear() releases it. */
typedef struct ModelState {
  ModelStatus status;
  char *problem;                   /* NULL for a model that can be opened */
  uint64_t tensors, numel, nbytes; /* of such a model */
  ModelKind kind;                  /* what the names of its tensors say */
} ModelState;

/* Returns the status's text, a static string. */
const char *model_status_text(ModelStatus status);

/* Reads the headers of a model. That it cannot be opened is no error, but its state. */
bool model_state_read(const ListedModel *model, Session *session, ModelState *state, Error *error);

void model_state_clear(ModelState *state);

#endif
