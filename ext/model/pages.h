/*
** Records which pages of a mapped file earlier passes have left in the address space, so that the
** next pass does not have to fault them in again. The unit is a chunk, which is recorded when its
** end has been read. All functions may be called concurrently on any thread. A NULL Pages records
** nothing.
*/
#ifndef SAFETENSORS_MODEL_PAGES_H
#define SAFETENSORS_MODEL_PAGES_H

#include <stdint.h>

typedef struct Pages Pages;

typedef enum PagesState {
  PAGES_UNKNOWN, /* or not recorded, because all files together have as much as half of the
                 ** machine's memory */
  PAGES_READ,    /* by a system call, not through the mapping */
  PAGES_MAPPED
} PagesState;

/* For a mapped file of `size` bytes. NULL if memory runs out. pages_free() releases it. */
Pages *pages_new(uint64_t size);
void pages_free(Pages *pages);

/* What is known about all of the bytes begin to end. There must be at least one. */
PagesState pages_state(const Pages *pages, uint64_t begin, uint64_t end);

/* Records that these bytes were read, or mapped. */
void pages_note(Pages *pages, uint64_t begin, uint64_t end, PagesState state);

#endif
