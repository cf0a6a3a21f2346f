/*
** How often each code of a dtype of at most 16 bits occurs, in one pass. Any histogram, quantile and range follows
** from that.
*/
#ifndef SAFETENSORS_TENSOR_CODE_COUNTS_H
#define SAFETENSORS_TENSOR_CODE_COUNTS_H

#include "tensor/numbers.h"
#include "tensor/pass.h"

enum { CODE_COUNTS_BITS = 16, CODE_COUNTS = 1 << CODE_COUNTS_BITS };

/* Sets the counts of all codes of input->bits bits, at most CODE_COUNTS_BITS. `host` may be NULL. Returns false on an
** error. */
bool code_counts_run(const PassInput *input, const Host *host, uint64_t *counts, Error *error);

/* The numbers of some codes of a dtype, from `first`, a multiple of CODE_NUMBERS, on. */
enum { CODE_NUMBERS = 256 };
typedef struct CodeNumbers {
  const uint64_t *counts; /* of these codes */
  double numbers[CODE_NUMBERS];
  unsigned count; /* how many codes there are */
} CodeNumbers;

/* Goes on from `*first` to codes that occur, and beyond them. Returns false if there are no more. */
bool code_counts_next(const Numbers *numbers, const uint64_t *counts, unsigned *first,
                      CodeNumbers *out);

/* Finds the smallest and the largest finite number that occurs. Returns false if there is none. */
bool code_counts_range(const Numbers *numbers, const uint64_t *counts, double *min, double *max);

#endif
