/*
** Long work, told on one line of a terminal's stderr:
**
**     safetensors: model.embed_tokens.weight  1.2 of 4.7 GB, 5.1 GB/s, 2 s left
**
** Work is told tensor by tensor. Tensors that follow each other closely count together: the line
** appears once that has taken a second, is drawn anew ten times a second, and is wiped out whenever
** a tensor is done, so that nothing of it stays between the rows that a query prints. All of this
** belongs to one connection, under its mutex; none of it can fail.
*/
#ifndef SAFETENSORS_BASE_PROGRESS_H
#define SAFETENSORS_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. Times are nanoseconds of platform_monotonic(). */
typedef struct Progress {
  bool enabled;         /* by the user; without a terminal nothing is drawn all the same */
  int64_t began, ended; /* the first of the tensors that follow each other, and the last one */
  int64_t drawn;        /* when the line was last drawn */
  uint64_t done;        /* bytes of the tensors before this one */
  const char *name;     /* this tensor's, not ours */
  uint64_t name_length;
  uint64_t nbytes; /* this tensor's */
  unsigned width;  /* columns that are drawn now */
} Progress;

/* A tensor of `nbytes` bytes is begun; `name` stays valid until progress_end(). */
void progress_begin(Progress *progress, const char *name, uint64_t name_length, uint64_t nbytes);

/* `done` of its bytes have been taken. */
void progress_step(Progress *progress, uint64_t done);

/* It is done, or given up. */
void progress_end(Progress *progress);

#endif
