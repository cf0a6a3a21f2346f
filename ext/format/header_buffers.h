/*
** Memory that headers are read and parsed in, one after the other. A header keeps only what it needs
** of it, in memory of its own: names, shapes and metadata, without the rest of its JSON. The next
** header is parsed in the same memory, which is in the processor's caches by then, and which the
** system does not have to provide again.
*/
#ifndef SAFETENSORS_FORMAT_HEADER_BUFFERS_H
#define SAFETENSORS_FORMAT_HEADER_BUFFERS_H

#include "base/shelf.h"
#include "format/tensor_entry.h"

/* Must be zeroed before use; header_buffers_clear() releases it, and headers stay. */
typedef struct HeaderBuffers {
  char *text;
  uint64_t text_size;
  TensorEntry *tensors;
  uint64_t tensor_capacity;
  Shelf shelf; /* what small headers keep is there */
} HeaderBuffers;

/* Returns room for the text of a header, whose contents are undefined, or NULL if memory runs out.
** Belongs to the buffers, which have no other text from now on. */
char *header_buffers_text(HeaderBuffers *buffers, uint64_t length);

/* Prepares for the tensors of a header of that length. Does nothing if memory runs out. */
void header_buffers_expect(HeaderBuffers *buffers, uint64_t length);

/* What a header keeps. */
typedef struct HeaderMemory {
  void *block; /* what has all the rest, or NULL if each is a block of memory_alloc() */
  TensorEntry *tensors;
  char *text;
  uint64_t *slots; /* of the table of names; NULL if there is no `block` */
} HeaderMemory;

/* Keeps the first `length` bytes of the text and the first `count` tensors. Large ones are not copied:
** the buffers give their memory away. Returns false if memory runs out. Either way
** header_memory_free() releases what is in *memory. */
bool header_buffers_keep(HeaderBuffers *buffers, uint64_t length, uint32_t count,
                         HeaderMemory *memory);
void header_memory_free(HeaderMemory *memory);

/* Releases what is too large to be held until the next header is read. */
void header_buffers_trim(HeaderBuffers *buffers);

void header_buffers_clear(HeaderBuffers *buffers);

#endif
