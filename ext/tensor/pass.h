/*
** A pass visits all elements of one view, or of two views side by side, once. It does so in blocks,
** on one or several threads, and merges the results in order.
**
** The elements are divided into blocks of PASS_BLOCK, always at the same positions. Each block gets
** its own state, and the states are merged in the order of the blocks. So the result of a pass
** depends neither on the number of threads nor on their speed.
**
** No thread outlives pass_run(). Threads other than the caller's only call Pass.block and
** Pass.merge, and read files.
*/
#ifndef SAFETENSORS_TENSOR_PASS_H
#define SAFETENSORS_TENSOR_PASS_H

#include "base/host.h"
#include "model/source.h"
#include "tensor/view.h"

enum { PASS_BLOCK = 1 << 16, PASS_MAX_INPUTS = 2, PASS_ALIGNMENT = 64 };

typedef struct PassInput {
  const Source *source;
  const View *view;
  unsigned bits; /* of an element */
} PassInput;

/* Contiguous elements, from element number `first` of `data` on. `first` is only not 0 if elements
** are smaller than a byte, and then less than the number that fills whole bytes. */
typedef struct PassElements {
  const unsigned char *data;
  uint64_t first;
} PassElements;

typedef struct Pass {
  unsigned input_count;
  PassInput inputs[PASS_MAX_INPUTS]; /* with the same number of elements */
  void *task;                        /* the argument of the two functions */
  uint64_t state_size;
  uint64_t unset_size; /* the bytes at the end of a state that are not initialised to zero */
  bool once;           /* the elements are probably not needed again, so none are kept mapped */
  bool writes;         /* `merge` may have to wait for a disk */
  /* Elements that lie side by side in a file are mapped, window by window, if they are in the system's cache.
  ** Only for what reads memory as fast as it comes, with its own prefetching: copied elements are nearer. */
  bool maps_windows;
  /* If not 0: the elements of a row. A block is then as many whole rows as fit, or if not even one does, a part
  ** of one, as if each row were a tensor. */
  uint64_t row;
  bool any_order; /* states can be added in any order, as counts can: `block` gets a state that
                  ** already has other blocks in it, and `merge` is called once for each thread */

  /* The working memory of each thread in bytes. It is aligned to PASS_ALIGNMENT, and not
  ** initialised. Use it instead of the stack, of which a block should need no more than a few kB:
  ** the threads of the host may have stacks of 64 kB. */
  uint64_t scratch_size;

  /* Adds `count` elements, beginning with number `position` of the view, to `state`, which is zero
  ** at first. Called on any thread, and on several at the same time. */
  void (*block)(const void *task, const PassElements *elements, uint64_t position, uint64_t count,
                void *scratch, void *state);

  /* Merges a state into the task. Called on any thread, but for one state at a time, in the order
  ** of the blocks. Returning false ends the pass, because it has seen enough. */
  bool (*merge)(void *task, const void *state);
} Pass;

/* Runs the pass. `host` may be NULL: then no other threads are used, and it cannot be cancelled.
** Returns false, with an error, if reading fails, if memory runs out or if the work is
** cancelled. */
bool pass_run(const Pass *pass, const Host *host, Error *error);

#endif
