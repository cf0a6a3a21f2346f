/*
** Writes one file: a header, and the bytes of tensors. If the bytes exist as they are to be
** written, the kernel copies them, in runs that are as long as possible; otherwise they are
** converted on the way.
*/
#ifndef SAFETENSORS_WRITE_SEAL_FILE_H
#define SAFETENSORS_WRITE_SEAL_FILE_H

#include "format/writer.h"
#include "write/pending.h"

/* Initialize the first three members; release with seal_file_clear(). */
typedef struct SealFile {
  Session *session;
  const Pending *pending;
  const char *subject; /* the target, for messages */
  Writer writer;
  PendingTensor **tensors; /* by the number of their WriterTensor */
  uint64_t capacity;
} SealFile;

/* Replace the metadata of the file. The first function takes JSON as headers store it, or NULL
** for none. The second takes the pending pairs of a member or, with PENDING_NO_MEMBER, those
** that apply to all members. Both return false on error. */
bool seal_file_take_json(SealFile *file, const char *json, Error *error);
bool seal_file_take_pairs(SealFile *file, uint32_t member, Error *error);

/* Takes all pending tensors. Returns false on error, which includes a name that occurs twice. */
bool seal_file_take_tensors(SealFile *file, Error *error);

/* Writes the whole file to an open, empty file. Returns false on error. */
bool seal_file_write(SealFile *file, int descriptor, Error *error);

/* Writes some tensors of the writer, which must be sorted, with a header for them. Returns false
** on error. */
bool seal_file_write_part(SealFile *file, const WriterPart *part, int descriptor, Error *error);

/* Returns the file with all tensors in memory, and sets *size. It is an error if there are more
** than `max` bytes. The caller releases the result with memory_free(). Returns NULL on error. */
unsigned char *seal_file_serialize(SealFile *file, uint64_t max, uint64_t *size, Error *error);

void seal_file_clear(SealFile *file);

#endif
