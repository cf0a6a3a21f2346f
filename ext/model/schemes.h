/*
** Recognises packed and scaled weights: which tensors of a model belong together, by their names,
** dtypes and shapes, and what its configuration says. What the numbers stand for is the business
** of the operator `dequantize`.
*/
#ifndef SAFETENSORS_MODEL_SCHEMES_H
#define SAFETENSORS_MODEL_SCHEMES_H

#include "base/cancel.h"
#include "model/weight_config.h"
#include "model/weight_list.h"

/* The tensors of one model. */
typedef struct SchemeModel {
  WeightList *list;
  const uint32_t *tensors; /* their numbers in the list, in the order of the files */
  uint64_t count;
  WeightConfigs *configs;
  Session *session;
  const char *directory; /* where its configuration is; NULL if it has none */
  Cancel *cancel;

  /* Reads the first `size` bytes of a tensor, at most all that it has. */
  bool (*read)(void *context, uint32_t tensor, void *buffer, uint64_t size, Error *error);
  void *context;
} SchemeModel;

/* Appends the rows of the model's weights to the list. Returns false, with an error, if memory runs
** out, a file changes, or on an interrupt. */
bool schemes_recognise(const SchemeModel *model, Error *error);

#endif
