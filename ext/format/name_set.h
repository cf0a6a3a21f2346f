/*
** Which of several files has a tensor's name first. Names are held as hashes of 128 bits, seeded:
** a model's names need not all be in memory, and no two are taken for one.
*/
#ifndef SAFETENSORS_FORMAT_NAME_SET_H
#define SAFETENSORS_FORMAT_NAME_SET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct NameSetSlot {
  uint64_t low, high;
  uint32_t file; /* plus one; 0 is free */
  bool repeated; /* in a second file too */
} NameSetSlot;

/* Starts as {0}; name_set_clear() releases it. */
typedef struct NameSet {
  NameSetSlot *slots;
  uint64_t count, mask, seed;
} NameSet;

/* The slot of the name: that of the first file that had it, `file` itself if that is the first.
** Valid until the next call. NULL when memory runs out. */
NameSetSlot *name_set_add(NameSet *set, const char *name, uint64_t length, uint32_t file);

void name_set_clear(NameSet *set);

#endif
