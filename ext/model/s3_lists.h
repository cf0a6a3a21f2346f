/* What a store has said about its objects: lists by the text that their addresses begin with. Each is asked for once. */
#ifndef SAFETENSORS_MODEL_S3_LISTS_H
#define SAFETENSORS_MODEL_S3_LISTS_H

#include "model/s3.h"

typedef struct S3List {
  char *prefix;
  S3Objects objects; /* in the order of the bytes of their addresses */
  struct S3List *next;
} S3List;

/* All objects whose addresses begin with `prefix`: the rows from *first on, *count of them, of the list that is returned. It
** belongs to the lists, which start as NULL. NULL with an error. */
const S3Objects *s3_lists_find(S3List **lists, const S3Api *api, const char *prefix,
                               uint64_t *first, uint64_t *count, Error *error);

/* The object at an address. NULL if no list has it. */
const S3Object *s3_lists_object(const S3List *lists, const char *address);

/* Forgets all lists, and sets *lists to NULL. */
void s3_lists_clear(S3List **lists);

#endif
