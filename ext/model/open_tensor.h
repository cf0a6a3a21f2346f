/*
** A tensor of a checkpoint, found by path and name. The session keeps those that were found last while there is a
** lease, since a statement may ask for the same tensor, or for slices of it, again and again.
**
** Whether the path still leads to the same file is found out once in each step of a statement (statement_step.h). That the file has not changed is checked whenever it is read (source.h).
*/
#ifndef SAFETENSORS_MODEL_OPEN_TENSOR_H
#define SAFETENSORS_MODEL_OPEN_TENSOR_H

#include "model/checkpoint.h"
#include "model/ref.h"

typedef struct OpenTensor {
  Checkpoint *checkpoint;
  Member member;
  const TensorEntry *entry;
  /* private */
  uint32_t references;
  Ref ref; /* with copies of its texts, and no slice */
  char *name;
  LinkMode links; /* of the session */
  uint64_t step;  /* the last one in which it was looked at */
} OpenTensor;

/* The tensor that the ref names, whose slice does not matter. open_tensor_close() gives it back. NULL on an error. */
OpenTensor *open_tensor(Session *session, const Ref *ref, Error *error);

void open_tensor_close(OpenTensor *tensor);

#endif
