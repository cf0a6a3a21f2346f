/*
** Reports long work on one line of a terminal's stderr:
**
**     safetensors: model.embed_tokens.weight  1.2 of 4.7 GB, 5.1 GB/s, 2 s left
**     safetensors: hf://ORG/NAME@COMMIT/model-00001-of-00030.safetensors  12.4 MB fetched, 3.1 MB/s
**
** Work is reported by tensor. Tensors that follow each other closely count together: the line
** appears once they have taken a second, is drawn ten times a second, and is erased whenever a
** tensor is done, so that none of it stays between the rows that a query prints. What is fetched of
** the network while a tensor is under way is shown behind its numbers; otherwise it is work of its own,
** like a tensor. All of this belongs to one connection, under its mutex, and none of it can fail.
*/
#ifndef SAFETENSORS_BASE_PROGRESS_H
#define SAFETENSORS_BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as zero. Times are nanoseconds of clock_monotonic(). */
typedef struct Progress {
  bool enabled; /* by the user; nothing is drawn if there is no terminal */
  int64_t began,
      ended; /* when the first of the tensors that follow each other began, and the last one ended */
  int64_t drawn;    /* when the line was last drawn */
  uint64_t done;    /* bytes of the tensors before the current one */
  const char *name; /* of the current tensor; it belongs to the caller */
  uint64_t name_length;
  uint64_t nbytes; /* of the current tensor */
  uint64_t at;     /* how much of the current tensor is done */
  _Atomic(size_t)
      fetched; /* bytes that have come of the network, counted by any thread; it may wrap */
  size_t fetched_before; /* of them, before the first of these tensors */
  bool fetching;         /* bytes are waited for */
  unsigned width;        /* columns of the line on the screen */
} Progress;

/* Begins a tensor of `nbytes` bytes. `name` must stay valid until progress_end(). */
void progress_begin(Progress *progress, const char *name, uint64_t name_length, uint64_t nbytes);

/* Says that `done` of its bytes are done. */
void progress_step(Progress *progress, uint64_t done);

/* Ends it, also when the work was given up. */
void progress_end(Progress *progress);

/* Says that bytes of `address` are waited for, or that they have come. */
void progress_fetch(Progress *progress, const char *address);
void progress_end_fetch(Progress *progress);

#endif
