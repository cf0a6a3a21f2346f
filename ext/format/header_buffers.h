/*
** Memory that headers are read and parsed in, one after the other. A header keeps only what it needs
** of it, in memory of its own: names, shapes and metadata, without the rest of its JSON. The next
** header is parsed in the same memory, which is in the processor's caches by then, and which the
** system does not have to provide again.
*/
#ifndef SAFETENSORS_FORMAT_HEADER_BUFFERS_H
#define SAFETENSORS_FORMAT_HEADER_BUFFERS_H

#include "format/tensor_entry.h"

/* Must be zeroed before use; header_buffers_clear() releases it. */
typedef struct HeaderBuffers {
  char *text;
  uint64_t text_size;
  TensorEntry *tensors;
  uint64_t tensor_capacity;
} HeaderBuffers;

/* Returns room for the text of a header, whose contents are undefined, or NULL if memory runs out.
** Belongs to the buffers, which have no other text from now on. */
char *header_buffers_text(HeaderBuffers *buffers, uint64_t length);

/* Prepares for the tensors of a header of that length. Does nothing if memory runs out. */
void header_buffers_expect(HeaderBuffers *buffers, uint64_t length);

/* Return a block of memory_alloc() with the first `length` bytes of the text, or the first `count`
** tensors, or NULL if memory runs out. Large ones are not copied: the buffers give their memory
** away. */
char *header_buffers_keep_text(HeaderBuffers *buffers, uint64_t length);
TensorEntry *header_buffers_keep_tensors(HeaderBuffers *buffers, uint64_t count);

/* Releases what is too large to be held until the next header is read. */
void header_buffers_trim(HeaderBuffers *buffers);

void header_buffers_clear(HeaderBuffers *buffers);

#endif
