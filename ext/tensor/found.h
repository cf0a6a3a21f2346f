/*
** What a pass of statistics finds in some of the elements, and putting that together.
*/
#ifndef SAFETENSORS_TENSOR_FOUND_H
#define SAFETENSORS_TENSOR_FOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/moments.h"

/* Of no elements: all zero. */
typedef struct Found {
  uint64_t nans, infinities, zeros, finite;
  double min, max;      /* if finite > 0; not of 64-bit integers: */
  uint64_t least, most; /* those, with the sign bit of I64 flipped, so that they compare unsigned */
  Moments moments;      /* as far as asked for */
} Found;

/* Adds elements to others. The order matters to the last bit of the moments. */
static inline void found_merge(Found *all, const Found *more) {
  all->nans += more->nans;
  all->infinities += more->infinities;
  all->zeros += more->zeros;
  if (more->finite == 0) return;
  bool first = all->finite == 0;
  if (first || more->min < all->min) all->min = more->min;
  if (first || more->max > all->max) all->max = more->max;
  if (first || more->least < all->least) all->least = more->least;
  if (first || more->most > all->most) all->most = more->most;
  all->finite += more->finite;
  moments_merge(&all->moments, &more->moments);
}

#endif
