/*
** A set of tensor names that records which of several files was the first to contain a name. It
** stores seeded hashes of 128 bits instead of the names, so the names of a model need not all be
** in memory, and no two names are confused.
*/
#ifndef SAFETENSORS_FORMAT_NAME_SET_H
#define SAFETENSORS_FORMAT_NAME_SET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct NameSetSlot {
  uint64_t low, high;
  uint32_t file;  /* the number of the file plus one; 0 if the slot is free */
  uint32_t shape; /* for the caller: a hash of the tensor's shape, initially 0 */
} NameSetSlot;

/* Must be zeroed before use; name_set_clear() releases it. */
typedef struct NameSet {
  NameSetSlot *slots;
  uint64_t count, mask, seed;
} NameSet;

/* Returns the slot of the name, which contains the first file that had it, or `file` itself if the
** name is new. The slot is valid until the next call. Returns NULL if memory runs out. */
NameSetSlot *name_set_add(NameSet *set, const char *name, uint64_t length, uint32_t file);

void name_set_clear(NameSet *set);

#endif
