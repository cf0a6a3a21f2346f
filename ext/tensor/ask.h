/* Long work, and being asked by it whether it is to go on. */
#ifndef SAFETENSORS_TENSOR_ASK_H
#define SAFETENSORS_TENSOR_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What the caller lends to a pass, and wants to be asked. */
typedef struct PassHost {
  unsigned threads; /* how many it may use besides the caller's */
  void *context;

  /* Asked on the caller's thread every few milliseconds; `done` of the view's elements have been
  ** taken. False, with an error, ends the work. */
  bool (*go_on)(void *context, uint64_t done, Error *error);
} PassHost;

/* When the host was asked last, by the monotonic clock. */
typedef struct Asking {
  const PassHost *host; /* or NULL: then the answer is yes */
  int64_t asked;
} Asking;

Asking asking_begin(const PassHost *host);

/* Asks the host, if it is time to. Cheap enough to be called ten thousand times a second. */
bool asking_go_on(Asking *asking, uint64_t done, Error *error);

#endif
