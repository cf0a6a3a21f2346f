/*
** Recovers tensors from a file that header_parse() refuses. Each tensor is judged by itself.
**
** An entry is consistent if it can be read, and if its dtype and shape take as many bytes as its
** data_offsets span. A tensor is whole if its entry is consistent, its bytes are in the file, and
** no other consistent entry claims any of them. Gaps, trailing bytes and faults in the metadata do
** not affect tensors. In a valid file all tensors are whole, and in the same order as from
** header_parse().
*/
#ifndef SAFETENSORS_FORMAT_SALVAGE_H
#define SAFETENSORS_FORMAT_SALVAGE_H

#include "format/header.h"

typedef enum SalvageStatus {
  SALVAGE_WHOLE,
  SALVAGE_CUT,       /* the file ends before the tensor's bytes do */
  SALVAGE_OVERLAPS,  /* another tensor has the same bytes, or a later one has the same name */
  SALVAGE_UNREADABLE /* the entry cannot be read, or contradicts itself */
} SalvageStatus;

/* A tensor that is not whole, but whose dtype, shape and place are known. */
typedef struct SalvageTensor {
  TensorEntry entry; /* must be first: NameTable reads the name from it */
  SalvageStatus status;
  uint32_t other_name; /* SALVAGE_OVERLAPS: the offset of the other name, which is NUL-terminated */
} SalvageTensor;

/* An entry that cannot be read. At most its name is known. */
typedef struct SalvageEntry {
  Span name;     /* offset 0: no name; what is there may have been any number of tensors */
  char *message; /* why it cannot be read; NULL beyond SALVAGE_MAX_MESSAGES */
} SalvageEntry;

/* A row that is not whole. These are sorted by name. */
typedef struct SalvageName {
  const char *name;
  uint32_t length, row;
} SalvageName;

typedef struct Salvage {
  /* Contains the tensors that are whole. A key of the metadata can occur twice, and a value that is
  ** not a string is kept as it is written. */
  Header *header;
  SalvageTensor *tensors; /* the tensors that are not whole, sorted as by header_parse() */
  SalvageEntry *entries;  /* in the order of the header */
  SalvageName *names;
  uint32_t tensor_count, entry_count, name_count;
  uint32_t unlisted; /* the number of unreadable entries beyond SALVAGE_MAX_ENTRIES */
  uint64_t file_size;
} Salvage;

/* From the first bytes of a file (SIGNATURE_SIZE of them, or all if there are fewer), finds how
** many bytes of a header the file has (*length), and how many it announces (*announced). Returns
** false if the file was never meant to be a safetensors file. */
bool salvage_header_length(const unsigned char *first, uint64_t file_size, uint64_t *length,
                           uint64_t *announced);

/* Judges the tensors of a header, of which `length` bytes are there. Takes over `text`, a block
** from memory_alloc(), even on error. `announced` is the length that the first bytes of the file
** give, from `length` to HEADER_MAX_LENGTH. Returns NULL with an error if memory runs out or the
** work is cancelled. The caller releases the result with salvage_free(). */
Salvage *salvage_parse(char *text, uint64_t length, uint64_t announced, uint64_t file_size,
                       const char *subject, Cancel *cancel, Error *error);

void salvage_free(Salvage *salvage);

/* The memory that it takes, in bytes. */
uint64_t salvage_memory(const Salvage *salvage);

/* ---- All tensors as rows, those that are whole first ---- */

typedef struct SalvageRow {
  uint32_t number;
  SalvageStatus status;
  const char
      *name; /* NULL if there is none; may be invalid UTF-8 if the status is SALVAGE_UNREADABLE */
  uint64_t name_length;
  const TensorEntry *entry; /* NULL if it could not be read */
} SalvageRow;

uint32_t salvage_row_count(const Salvage *salvage);
SalvageRow salvage_row(const Salvage *salvage, uint32_t number);

/* Several rows can have the same name. Sets *row to the first row with this name whose number is
** at least `from`. Returns false if there is none. */
bool salvage_find(const Salvage *salvage, const char *name, uint64_t length, uint32_t from,
                  SalvageRow *row);

/* A message about a row: what was expected, and what was found. The caller releases it with
** memory_free(). Returns NULL if memory runs out. */
char *salvage_message(const Salvage *salvage, const SalvageRow *row);

#endif
