/*
** A pass: all elements of one view, or of two side by side, taken once, in blocks, on one thread or
** several, and put together in order.
**
** The elements are cut into blocks of PASS_BLOCK, always at the same places. Each block is made
** into a state of its own, and the states are merged in the order of the blocks. So the result of a
** pass depends neither on the number of threads nor on which of them was faster.
**
** No thread outlives pass_run(). Threads other than the caller's call nothing but Pass.block and
** Pass.merge, and read files.
*/
#ifndef SAFETENSORS_TENSOR_PASS_H
#define SAFETENSORS_TENSOR_PASS_H

#include "format/source.h"
#include "tensor/ask.h"
#include "tensor/view.h"

enum { PASS_BLOCK = 1 << 16, PASS_MAX_INPUTS = 2 };

typedef struct PassInput {
  const Source *source;
  const View *view;
  unsigned bits; /* of an element */
} PassInput;

/* Elements that lie together: the first `count` of them from element `first` of `data`. `first` is
** not 0 only where elements are less than a byte, and then less than fills whole bytes. */
typedef struct PassElements {
  const unsigned char *data;
  uint64_t first;
} PassElements;

typedef struct Pass {
  unsigned input_count;
  PassInput inputs[PASS_MAX_INPUTS]; /* with equal numel */
  void *task;                        /* what the two functions get */
  uint64_t state_size;
  uint64_t unset_size; /* of it, at its end: what need not be zero at first */
  bool once;           /* the elements are not likely to be wanted again: none are kept mapped */
  bool any_order; /* states of blocks can be added up in any order, as counts can: `block` gets one
                  ** that has others in it already, and `merge` one for each thread */

  /* Takes `count` elements, number `position` of the view and on, into `state`, which is
  ** zero at first. Called on any thread, several at a time. */
  void (*block)(const void *task, const PassElements *elements, uint64_t position, uint64_t count,
                void *state);

  /* Takes a state into the task. Called for one state at a time, in the order of the blocks, on any
  ** thread. False when enough has been seen: the pass ends then. */
  bool (*merge)(void *task, const void *state);
} Pass;

/* Runs the pass. `host` may be NULL: no other threads, no questions. False on error. */
bool pass_run(const Pass *pass, const PassHost *host, Error *error);

#endif
