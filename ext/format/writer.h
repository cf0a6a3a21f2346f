/*
** A safetensors file that is to be written: its tensors in the order in which they are added,
** their layout, which is that of the reference implementation, and the text of its header.
**
** Tensors are stored by descending dtype, which is descending alignment (see dtype.h), and then by
** name in byte order. The header is compact JSON with __metadata__ first, padded with spaces to a
** multiple of 8 bytes. So every tensor is aligned to its elements. The keys of __metadata__ keep
** their order, which the reference implementation does not. Source: safetensors/src/tensor.rs,
** prepare(), and impl Serialize for Metadata (github.com/huggingface/safetensors).
**
** Only names and shapes are stored here. The caller knows where the bytes of a tensor come from.
*/
#ifndef SAFETENSORS_FORMAT_WRITER_H
#define SAFETENSORS_FORMAT_WRITER_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/name_table.h"
#include "base/sqlite.h"
#include "format/dtype.h"

/* What the names of temporary files begin with. */
#define WRITER_TEMPORARY ".safetensors-"

typedef struct WriterTensor {
  Span name;  /* first: NameTable reads it there */
  Span shape; /* JSON */
  Dtype dtype;
  uint32_t number; /* the tensor's number in the order of addition, from 0 */
  uint32_t shard;  /* the number of its shard (see shards.h) */
  uint64_t nbytes;
} WriterTensor;

/* Must be zeroed before use; writer_clear() releases it. */
typedef struct Writer {
  char *text; /* all names and shapes */
  uint64_t text_length, text_capacity;
  WriterTensor *tensors;
  uint32_t count;
  uint64_t capacity;
  uint64_t nbytes; /* the number of bytes of all tensors */
  char *metadata;  /* JSON in its normal form; NULL if there is none */
  Cancel *cancel;  /* asked whether to continue; may be NULL */
} Writer;

/* Adds a tensor with a name that writer_check_name() has accepted, and with the JSON of a shape by
** which the tensor has `nbytes` bytes, as writer_size() computes them. `about` names the tensor in
** messages. */
bool writer_add(Writer *writer, const char *name, uint64_t name_length, Dtype dtype,
                const char *shape, uint64_t shape_length, uint64_t nbytes, const TensorName *about,
                Error *error);

/* Computes the number of bytes of a tensor with this shape. A shape that is not allowed in a file is
** an error. The dimensions are multiplied as readers do it: from left to right, with an error at the
** first overflow whatever comes after it. */
bool writer_size(Dtype dtype, const uint64_t *shape, uint32_t rank, uint64_t *nbytes,
                 const TensorName *about, Error *error);

/* Returns whether a tensor of a file may have this name. */
bool writer_check_name(const char *name, uint64_t length, const TensorName *about, Error *error);

/* Sets __metadata__ from the JSON text of an object of strings. An empty object counts as none. */
bool writer_set_metadata(Writer *writer, const char *json, uint64_t length, const TensorName *about,
                         Error *error);

/* Returns the name of a tensor for messages. */
TensorName writer_tensor_name(const Writer *writer, const WriterTensor *tensor,
                              const char *subject);

/* Checks that no name was added twice. `subject` is the file. */
bool writer_check_names(const Writer *writer, const char *subject, Error *error);

/* Sorts tensors in the order of the file, by shard first. */
bool writer_sort(Writer *writer, Error *error);

/* The tensors [first, first + count) of a sorted Writer, which make up one file. */
typedef struct WriterPart {
  uint32_t first, count;
  uint64_t nbytes;
} WriterPart;

/* Returns the beginning of that file: the length of the header, and the header. memory_free()
** releases it. Returns NULL if the header would be too long, or if memory runs out. */
unsigned char *writer_header(const Writer *writer, const WriterPart *part, const char *subject,
                             uint64_t *length, Error *error);

void writer_clear(Writer *writer);

#endif
