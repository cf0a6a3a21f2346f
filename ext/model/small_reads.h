/*
** Small parts of files that a statement reads again and again, or one after the other, as rows of a tensor: within
** a step they are read once, and several at a time (statement_step.h). They are read by a system call, after which the file is
** checked, so they are its bytes, or there is an error.
**
** To be used on the connection's thread, except for the bytes themselves.
*/
#ifndef SAFETENSORS_MODEL_SMALL_READS_H
#define SAFETENSORS_MODEL_SMALL_READS_H

#include "model/session.h"

enum { SMALL_READ_MAX = 64 << 10 };

typedef struct SmallRead {
  /* private */
  uint32_t references;
  FileIdentity identity;
  uint64_t step;
  uint64_t begin, end, room; /* of the file; room: of the memory for them */
  unsigned char *bytes;
} SmallRead;

/* The bytes `begin` to begin + size of a file, at most SMALL_READ_MAX, valid until small_read_end(*read). NULL on an
** error, and without one if there is no lease. */
const unsigned char *small_read(Session *session, File *file, const char *path, uint64_t begin,
                                uint64_t size, SmallRead **read, Error *error);

void small_read_end(SmallRead *read);

#endif
