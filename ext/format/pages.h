/*
** Which pages of a mapped file passes have left in the process, so that the next pass need not
** bring them in again. Noted by chunk, when the end of a chunk has been read. All functions can be
** called on any thread, several at a time; a Pages that is NULL knows nothing.
*/
#ifndef SAFETENSORS_FORMAT_PAGES_H
#define SAFETENSORS_FORMAT_PAGES_H

#include <stdint.h>

typedef struct Pages Pages;

typedef enum PagesState {
  PAGES_UNKNOWN, /* or too many to be kept: all files together, half of the machine's memory */
  PAGES_READ,    /* not by way of the mapping */
  PAGES_MAPPED
} PagesState;

/* For a mapped file of `size` bytes. NULL when memory runs out. */
Pages *pages_new(uint64_t size);
void pages_free(Pages *pages);

/* What is known of all of the bytes begin to end, which are more than none. */
PagesState pages_state(const Pages *pages, uint64_t begin, uint64_t end);

/* Notes that these bytes were read, or mapped. */
void pages_note(Pages *pages, uint64_t begin, uint64_t end, PagesState state);

#endif
