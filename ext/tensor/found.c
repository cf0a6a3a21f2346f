#include "tensor/found.h"

void found_merge(Found *all, const Found *more) {
  all->nans += more->nans;
  all->infinities += more->infinities;
  all->zeros += more->zeros;
  if (more->finite == 0) return;
  bool first = all->finite == 0;
  if (first || more->min < all->min) all->min = more->min;
  if (first || more->max > all->max) all->max = more->max;
  if (first || more->min_key < all->min_key) all->min_key = more->min_key;
  if (first || more->max_key > all->max_key) all->max_key = more->max_key;
  all->finite += more->finite;
  moments_merge(&all->moments, &more->moments);
}
