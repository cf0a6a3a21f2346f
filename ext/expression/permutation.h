/*
** The beginning of torch.randperm(numel, generator) for a generator with a given seed, on a CPU: adapters
** keep the seed of the places that they change, not the places.
**
** Sources: M. Matsumoto, T. Nishimura: Mersenne Twister (1998), with 32 bits; PyTorch, aten/src/ATen/native/
** TensorFactories.cpp, randperm_cpu(), of fewer than PERMUTATION_MAX_NUMEL elements.
*/
#ifndef SAFETENSORS_EXPRESSION_PERMUTATION_H
#define SAFETENSORS_EXPRESSION_PERMUTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* From that many elements on, PyTorch permutes in another way. */
#define PERMUTATION_MAX_NUMEL ((uint64_t)UINT32_MAX / 20)

/* The first `count` of the numbers 0 to numel - 1, at most all of them. False when memory runs out. */
bool permutation_front(uint64_t numel, uint64_t seed, uint64_t count, uint64_t *out, Error *error);

#endif
