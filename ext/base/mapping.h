/* Files mapped into memory, for reading. */
#ifndef SAFETENSORS_BASE_MAPPING_H
#define SAFETENSORS_BASE_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Whether a file that is mapped can be replaced, cut down and removed like any other. */
#if defined(_WIN32)
enum { MAPPING_IS_FREE = 0 };
#else
enum { MAPPING_IS_FREE = 1 };
#endif

/* Maps the first `size` bytes (at least one) of an open file read-only. The mapping outlives the
** descriptor and the file's name; mapping_unmap() ends it. NULL on error. `path` is for messages. */
const unsigned char *mapping_map(int descriptor, const char *path, uint64_t size, Error *error);

void mapping_unmap(const unsigned char *data, uint64_t size);

/* A part of a file that is mapped by itself: `data` are its bytes. {0} is none. */
typedef struct MappingPart {
  const unsigned char *data;
  const unsigned char *start; /* of the page that data begin in */
  uint64_t length;            /* from there on */
} MappingPart;

/* Maps `size` bytes, at least one, of an open file from `offset` on, read-only. Returns false, without
** an error, if that is not possible. mapping_unmap_part() ends it, and may be called on {0}. */
bool mapping_map_part(int descriptor, uint64_t offset, uint64_t size, MappingPart *part);
void mapping_unmap_part(MappingPart *part);

/* Has a mapped range, which is in the system's cache, in memory before it is touched, where the kernel
** can do that (Linux 5.14). A range that the file no longer has, or a disk that fails, is then an error
** and not a SIGBUS. Elsewhere it does nothing. `path` is for messages. */
bool mapping_populate(const unsigned char *data, uint64_t size, const char *path, Error *error);

enum { MAPPING_MAX_RESIDENT = 1 << 20 };

/* Whether all pages of `size` bytes of an open file from `offset` on, at most MAPPING_MAX_RESIDENT, are
** in the system's cache. `data` is where they are mapped, for systems that only report what is. Returns
** false if the system does not report it: Linux does not for a file that the user neither owns nor may
** write, and other systems never do. */
bool mapping_is_resident(int descriptor, uint64_t offset, const unsigned char *data, uint64_t size);

#endif
