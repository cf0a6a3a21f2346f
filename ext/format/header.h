/*
** The header of a safetensors file: parsed, validated as the reference implementation validates it,
** and searchable by name.
**
** A file is: 8 bytes, the header's length as a little-endian integer; that many bytes of JSON, an
** object; then the tensors' bytes. The object maps each tensor's name to {"dtype", "shape",
** "data_offsets": [begin, end]} with offsets counted from the end of the header, and may map
** "__metadata__" to an object of strings.
** Source: github.com/huggingface/safetensors, README.md ("Format") and safetensors/src/tensor.rs.
**
** Where this reader is stricter on purpose: duplicate keys anywhere, NUL in a key, integers outside
** -2^63..2^63-1, and an entry that is not an object, are errors.
*/
#ifndef SAFETENSORS_FORMAT_HEADER_H
#define SAFETENSORS_FORMAT_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "format/dtype.h"
#include "format/name_table.h"

enum { HEADER_PREFIX_SIZE = 8, HEADER_MAX_LENGTH = 100000000 };

/* One tensor. begin <= end, counted from the start of the data. `shape` is canonical JSON: no
** spaces, no leading zeros. Name and shape are followed by a NUL: SQLite would otherwise copy them
** once more to put one there. */
typedef struct TensorEntry {
  Span name; /* first: NameTable reads it there */
  Span shape;
  uint64_t begin, end;
  Dtype dtype;
} TensorEntry;

typedef struct MetadataEntry {
  Span key; /* first: NameTable reads it there */
  Span value;
} MetadataEntry;

typedef struct Header {
  char *text; /* the JSON, strings decoded in place; all spans point into it */
  uint32_t length;
  uint32_t tensor_count, metadata_count;
  TensorEntry *tensors;    /* by (begin, end), then as in the header */
  MetadataEntry *metadata; /* as in the header */
  NameTable names;
} Header;

/* The number that the first 8 bytes make, little-endian. */
uint64_t header_prefix(const unsigned char *bytes);

/* The header's length by the file's first 8 bytes. False when this cannot be a safetensors file:
** too small, a length over the limit, or a length that the file does not have. */
bool header_length(const unsigned char *prefix, uint64_t file_size, uint64_t *length);

/* The other way round: the file's first 8 bytes. */
void header_write_length(uint64_t length, unsigned char *prefix);

/* Says why header_length() refused, by the first `size` bytes of the file (SIGNATURE_SIZE if there
** are as many); what is recognisably something else is called by its name. Returns false. */
bool header_refuse(const unsigned char *first, uint64_t size, uint64_t file_size,
                   const char *subject, Error *error);

/* Parses and validates `length` bytes of JSON (at most HEADER_MAX_LENGTH). Takes over `text`,
** a block from memory_alloc(), on failure too. `subject` names the file in messages. Returns a
** Header that header_free() releases, or NULL. */
Header *header_parse(char *text, uint64_t length, uint64_t file_size, const char *subject,
                     Error *error);

void header_free(Header *header);

/* The entry with this name, or NULL. Valid as long as the header. */
const TensorEntry *header_find(const Header *header, const char *name, uint64_t length);

/* Offset of the data in the file. */
uint64_t header_data_offset(const Header *header);

/* Bytes of all tensors: from the data offset to the end of the file. */
uint64_t header_data_nbytes(const Header *header);

/* Stored bytes, elements and dimensions of a tensor. */
uint64_t tensor_entry_nbytes(const TensorEntry *entry);
uint64_t tensor_entry_numel(const TensorEntry *entry);
uint32_t tensor_entry_rank(const Header *header, const TensorEntry *entry);

typedef enum TensorSize {
  SIZE_WHOLE,
  SIZE_OVERFLOW,    /* the elements or their bits do not fit 64 bits */
  SIZE_PART_OF_BYTE /* elements of less than a byte end inside one */
} TensorSize;

/* What an entry's dtype and shape take, by the header's text; *nbytes is set on SIZE_WHOLE, *numel
** unless that overflows. */
TensorSize tensor_entry_size(const char *text, const TensorEntry *entry, uint64_t *numel,
                             uint64_t *nbytes);

/* Sorts by (begin, end), then as in the header. */
void tensor_entries_sort(TensorEntry *entries, uint32_t count);

/* Bytes of memory that the header holds. */
uint64_t header_memory(const Header *header);

#endif
