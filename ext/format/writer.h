/*
** A safetensors file to be: its tensors in the order that they are given, laid out as the reference
** implementation lays them out, and the text of its header.
**
** Tensors are stored by descending dtype (which is descending alignment, see dtype.h), then by
** name, byte by byte; the header is compact JSON with __metadata__ first, padded with spaces to a
** multiple of 8 bytes. So every tensor is aligned to its elements. The keys of __metadata__ keep
** the order in which they are given; the reference writes several in an order by chance.
** Source: safetensors/src/tensor.rs, prepare(), and impl Serialize for Metadata
** (github.com/huggingface/safetensors).
**
** Only names and shapes are held here; where a tensor's bytes come from is the caller's to know.
*/
#ifndef SAFETENSORS_FORMAT_WRITER_H
#define SAFETENSORS_FORMAT_WRITER_H

#include "base/error.h"
#include "base/sqlite.h"
#include "format/dtype.h"
#include "format/name_table.h"

typedef struct WriterTensor {
  Span name;  /* first: NameTable reads it there */
  Span shape; /* JSON */
  Dtype dtype;
  uint32_t number; /* in the order in which tensors are added, from 0 */
  uint32_t shard;  /* of shards.h */
  uint64_t nbytes;
} WriterTensor;

/* Starts as {0}; writer_clear() releases it. */
typedef struct Writer {
  char *text; /* of all names and shapes */
  uint64_t text_length, text_capacity;
  WriterTensor *tensors;
  uint32_t count;
  uint64_t capacity;
  uint64_t nbytes; /* of all tensors */
  char *metadata;  /* JSON, as it is written; NULL for none */
} Writer;

/* Adds a tensor. A name or shape that no file may have is an error; messages are about `about`. */
bool writer_add(Writer *writer, const char *name, uint64_t name_length, Dtype dtype,
                const uint64_t *shape, uint32_t rank, const TensorName *about, Error *error);

/* Takes the JSON text of an object of strings as __metadata__. An empty one counts as none. */
bool writer_set_metadata(Writer *writer, const char *json, uint64_t length, const TensorName *about,
                         Error *error);

/* What a message calls one of the tensors. */
TensorName writer_tensor_name(const Writer *writer, const WriterTensor *tensor,
                              const char *subject);

/* Checks that no name was given twice. `subject` is the file. */
bool writer_check_names(const Writer *writer, const char *subject, Error *error);

/* Byte by byte; a name comes before those that it is the beginning of. */
int writer_compare_names(const char *a, uint32_t a_length, const char *b, uint32_t b_length);

/* Puts tensors into the order of the file, those of a lower shard first. False when memory runs
** out. */
bool writer_sort(Writer *writer, Error *error);

/* Tensors [first, first + count) of a sorted Writer, which make up one file. */
typedef struct WriterPart {
  uint32_t first, count;
  uint64_t nbytes;
} WriterPart;

/* The start of that file: the header's length, and the header. memory_free() releases it. NULL when
** it would be longer than a header may be, or memory runs out. */
unsigned char *writer_header(const Writer *writer, const WriterPart *part, const char *subject,
                             uint64_t *length, Error *error);

void writer_clear(Writer *writer);

#endif
