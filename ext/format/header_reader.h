/*
** A pull parser for the members of a header, on top of json/json_walk.h. Faults go to the sink of
** the walk: header_parse() stops at the first one, and the check continues behind each.
**
** The caller decides whether a name occurs twice and whether the tensors fit the file.
*/
#ifndef SAFETENSORS_FORMAT_HEADER_READER_H
#define SAFETENSORS_FORMAT_HEADER_READER_H

#include "format/tensor_entry.h"
#include "json/json_walk.h"

/* The faults of a header in addition to those of its JSON. */
typedef enum HeaderFault {
  HEADER_FAULT_METADATA = JSON_FAULT_COUNT, /* __metadata__ is not an object */
  HEADER_FAULT_METADATA_VALUE,              /* the value of the key reader->name is not a string */
  HEADER_FAULT_ENTRY,
  HEADER_FAULT_DTYPE,
  HEADER_FAULT_SHAPE,
  HEADER_FAULT_DIMENSION, /* a dimension from 2^63 to 2^64-1, which the reference implementation
                             accepts */
  HEADER_FAULT_OFFSETS,
  HEADER_FAULT_REVERSED_OFFSETS /* the end is before the begin */
} HeaderFault;

typedef enum HeaderReaderEvent {
  HEADER_READER_TENSOR,   /* a tensor: reader->entry */
  HEADER_READER_METADATA, /* the key "__metadata__" and its value; if that is an object, its pairs
                             follow */
  HEADER_READER_PAIR,     /* a pair of the metadata: reader->pair */
  HEADER_READER_METADATA_END, /* the end of the metadata */
  HEADER_READER_END,          /* the closing brace of the header */
  HEADER_READER_FAILED /* the walk has stopped, or needs header_reader_recover() to continue */
} HeaderReaderEvent;

/* Must be zeroed before use, except for the walk. */
typedef struct HeaderReader {
  JsonWalk walk;
  Span name;         /* the key of the member or pair; {0} if it could not be read */
  bool in_entry;     /* the last event was about the tensor `name`; set before its faults are
                        reported */
  bool in_pairs;     /* the next events are pairs of the metadata */
  uint32_t at;       /* the offset of the value of "__metadata__" in the text */
  bool is_null;      /* the value of "__metadata__" is null */
  TensorEntry entry; /* an unknown dtype is DTYPE_COUNT, and an unknown shape is empty; the shape is
                        written as in the header, including white space */
  bool placed;       /* begin and end are known, and begin <= end */
  MetadataEntry pair;
  const char
      *last_dtype; /* the name of entry.dtype, because neighbours mostly have the same one; NULL
                             if it is not known */
  uint32_t last_dtype_length;
  bool thorough;  /* for tests: do not use the fast path for plain entries */
  uint64_t plain; /* the number of entries that took the fast path */
  uint64_t usual; /* the number of those that were written in the usual way */
} HeaderReader;

/* Takes the opening brace, which the caller has seen. */
bool header_reader_start(HeaderReader *reader);

HeaderReaderEvent header_reader_next(HeaderReader *reader);

/* After HEADER_READER_FAILED: moves to a position from which header_reader_next() can continue.
** Returns false if there is none. */
bool header_reader_recover(HeaderReader *reader);

/* Returns whether a key is "__metadata__". */
bool header_reader_is_metadata(const char *text, Span key);

/* For header_reader.c: takes the value of a tensor's key into reader->entry. See header_entry.c. */
bool header_entry_take(HeaderReader *reader);

#endif
