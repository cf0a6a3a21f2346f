/*
** What the name of a file, and the names of its tensors, say about the kind of a model. What the
** configurations beside it say comes first: see model_list.h.
*/
#ifndef SAFETENSORS_MODEL_MODEL_KIND_H
#define SAFETENSORS_MODEL_MODEL_KIND_H

#include "format/header.h"

typedef enum ModelKind {
  MODEL_KIND_UNKNOWN, /* also: says nothing */
  MODEL_KIND_MODEL,
  MODEL_KIND_ADAPTER,
  MODEL_KIND_COMPONENT, /* of a diffusers pipeline */
  MODEL_KIND_EMBEDDING, /* textual inversion */
  MODEL_KIND_OPTIMIZER
} ModelKind;

/* Returns the kind's text, a static string. */
const char *model_kind_text(ModelKind kind);

/* Returns the kind of files that tools name like this, as adapter_model.safetensors. */
ModelKind model_kind_of_file(const char *name);

/* Returns the kind that a word of the file's name suggests, if nothing else is known. */
ModelKind model_kind_of_words(const char *name);

/* Returns the kind of a file with these tensors, of which some are looked at. */
ModelKind model_kind_of_header(const Header *header);

#endif
