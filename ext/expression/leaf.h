/* A ref that has been opened: the tensor, or the slice of one, that it names. */
#ifndef SAFETENSORS_EXPRESSION_LEAF_H
#define SAFETENSORS_EXPRESSION_LEAF_H

#include "model/open_tensor.h"
#include "tensor/view.h"

typedef struct Leaf {
  Ref ref;
  TensorName tensor; /* for messages: the ref's path and name */
  OpenTensor *opened;
  Member member;
  const TensorEntry *entry;
  Dtype dtype;
  View view; /* over the elements of the tensor; the ref's slice has been applied */
} Leaf;

/* Opens a ref, whose text must outlive the leaf, without reading the bytes of the tensor.
** leaf_close() releases it, also after an error. */
bool leaf_open(Leaf *leaf, Session *session, const char *text, uint64_t length, Error *error);

void leaf_close(Leaf *leaf);

/* Where all bytes of the tensor are; view.offset counts from there. Valid as long as the leaf. */
Source leaf_source(const Leaf *leaf);

#endif
