/* Reads the members of a header that may be invalid, as far as they can be followed. */
#ifndef SAFETENSORS_FORMAT_SALVAGE_READER_H
#define SAFETENSORS_FORMAT_SALVAGE_READER_H

#include "format/header.h"

/* The spans point into the text, which does not change any more. */
typedef struct SalvageMember {
  bool is_metadata;    /* name and value are a pair of __metadata__ */
  Span name;           /* offset 0: no name; what is there may be any number of members */
  Span value;          /* of metadata: decoded if it is a string, otherwise as it is written */
  TensorEntry entry;   /* of a tensor, valid if `problem` is NULL */
  const char *problem; /* why the entry of a tensor cannot be read */
} SalvageMember;

/* Calls `take` for each member. To stop, `take` sets an error and returns false. Returns false
** if `take` does, if memory runs out, and on cancellation. */
bool salvage_read(char *text, uint64_t length, uint64_t announced, const char *subject,
                  bool (*take)(void *context, const SalvageMember *member, Error *error),
                  void *context, Cancel *cancel, Error *error);

#endif
