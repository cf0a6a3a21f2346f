/*
** The header of a safetensors file: parsed, validated as the reference implementation validates
** it, and searchable by name.
**
** A file consists of 8 bytes with the length of the header as a little-endian integer, that many
** bytes of JSON, and the bytes of the tensors. The JSON is an object that maps the name of each
** tensor to {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, with offsets that count
** from the end of the header. It may map "__metadata__" to an object of strings. Source:
** github.com/huggingface/safetensors, README.md ("Format") and safetensors/src/tensor.rs.
**
** This reader is deliberately stricter than the reference implementation: it also rejects
** duplicate keys anywhere, NUL in a key, integers outside -2^63..2^63-1, and an entry that is not
** an object.
*/
#ifndef SAFETENSORS_FORMAT_HEADER_H
#define SAFETENSORS_FORMAT_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/name_table.h"
#include "format/header_buffers.h"

enum { HEADER_PREFIX_SIZE = 8, HEADER_MAX_LENGTH = 100000000 };

typedef struct Header {
  char *text;      /* names, shapes and metadata, decoded; all spans refer to it */
  uint32_t length; /* of the JSON that they were parsed from */
  uint32_t text_length;
  uint32_t tensor_count, metadata_count;
  TensorEntry *tensors;    /* in the order of (begin, end), then of the header */
  MetadataEntry *metadata; /* in the order of the header */
  HeaderMemory memory;     /* that text, tensors and names have; {0} if each has its own */
  NameTable names;
} Header;

/* Returns the little-endian number in the first 8 bytes. */
uint64_t header_prefix(const unsigned char *bytes);

/* Gets the length of the header from the first 8 bytes of the file. Returns false if this cannot
** be a safetensors file: it is too small, or the length is 0, exceeds the limit, or exceeds the
** file. */
bool header_length(const unsigned char *prefix, uint64_t file_size, uint64_t *length);

/* Returns whether a file with these first `size` bytes (SIGNATURE_SIZE if the file has as many) was
** meant to be a safetensors file: it has a length within the limit, and behind it '{', perhaps
** after white space. Messages may quote bytes and numbers only of such a file, because a stranger
** may choose the path, and may name any file. */
bool header_is_plausible(const unsigned char *first, uint64_t size);

/* Writes the length as the first 8 bytes of a file. */
void header_write_length(uint64_t length, unsigned char *prefix);

/* Raises the reason why header_length() returned false, from the first `size` bytes of the file
** (SIGNATURE_SIZE if the file has as many). A known other format is named. Returns false. */
bool header_refuse(const unsigned char *first, uint64_t size, uint64_t file_size,
                   const char *subject, Error *error);

/* Parses and validates the first `length` bytes (at most HEADER_MAX_LENGTH) of the text in `buffers`,
** which are JSON. The text is undefined after that. `subject` names the file in messages. `cancel`,
** which may be NULL, is asked whether to continue. Returns a Header that header_free() releases, or
** NULL. */
Header *header_parse(HeaderBuffers *buffers, uint64_t length, uint64_t file_size,
                     const char *subject, Cancel *cancel, Error *error);

void header_free(Header *header);

/* Returns the entry with this name, or NULL. It is valid as long as the header. */
const TensorEntry *header_find(const Header *header, const char *name, uint64_t length);

/* Returns the offset of the data in the file. */
uint64_t header_data_offset(const Header *header);

/* Returns the number of bytes of all tensors, from the data offset to the end of the file. */
uint64_t header_data_nbytes(const Header *header);

/* Returns the number of dimensions of a tensor. */
uint32_t tensor_entry_rank(const Header *header, const TensorEntry *entry);

/* Returns the number of bytes of memory that the header occupies. */
uint64_t header_memory(const Header *header);

#endif
