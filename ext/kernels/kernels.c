#include "kernels/kernels.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/threads.h"

static const Kernels *const kernels_sets[] = {
#define KERNELS_ROW(set) &kernels_##set,
    KERNEL_SETS(KERNELS_ROW)
#undef KERNELS_ROW
};
enum { KERNELS_COUNT = sizeof kernels_sets / sizeof kernels_sets[0] };

/* The same sets, completed with the functions that they inherit. */
static Kernels kernels_whole[KERNELS_COUNT];
static bool kernels_are_whole; /* under the process's lock */

/* Atomic, because several connections may load the extension at the same time. */
static _Atomic(const Kernels *) kernels_choice;

/* Takes the functions that `own` does not define from `next`. */
static void kernels_inherit(Kernels *whole, const Kernels *own, const Kernels *next) {
  *whole = *own;
#define KERNELS_BY_DTYPE(type, function)              \
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) { \
    KERNELS_ALONE(type, function[dtype])              \
  }
#define KERNELS_ALONE(type, function) \
  if (whole->function == NULL) whole->function = next->function;
  KERNEL_FUNCTIONS(KERNELS_BY_DTYPE, KERNELS_ALONE)
#undef KERNELS_BY_DTYPE
#undef KERNELS_ALONE
  /* If a set defines its own lookup, that is faster than the byte conversions of other sets. */
  for (int dtype = 0; dtype < DTYPE_COUNT && own->lookup != NULL; dtype++) {
    if (dtype_bits((Dtype)dtype) <= 8) whole->convert[dtype] = own->convert[dtype];
  }
}

static void kernels_complete(void) {
  enum { LAST = KERNELS_COUNT - 1 };
  kernels_whole[LAST] = *kernels_sets[LAST];
  for (int i = LAST - 1; i >= 0; i--) {
    kernels_inherit(&kernels_whole[i], kernels_sets[i], &kernels_whole[i + 1]);
  }
}

/* The set at this index, or NULL if the machine does not support it. */
static const Kernels *kernels_at(int index) {
  if (!cpu_has(kernels_sets[index]->needs)) return NULL;
  process_lock_enter();
  if (!kernels_are_whole) kernels_complete();
  kernels_are_whole = true;
  process_lock_leave();
  return &kernels_whole[index];
}

/* Every machine supports the last one. */
static const Kernels *kernels_best(void) {
  const Kernels *best = NULL;
  for (int i = 0; i < KERNELS_COUNT && best == NULL; i++) best = kernels_at(i);
  return best;
}

const char *kernels_name(unsigned index) {
  return index < KERNELS_COUNT ? kernels_sets[index]->name : NULL;
}

const Kernels *kernels_find(const char *name) {
  for (int i = 0; i < KERNELS_COUNT; i++) {
    if (strcmp(kernels_sets[i]->name, name) == 0) return kernels_at(i);
  }
  return NULL;
}

/* Writes all names, such as "portable, avx2 or avx512", as far as there is room. */
static void kernels_list(char *out, size_t size) {
  size_t length = 0;
  for (int i = KERNELS_COUNT - 1; i >= 0 && length < size; i--) {
    const char *before = i == KERNELS_COUNT - 1 ? "" : i > 0 ? ", " : " or ";
    length += (size_t)snprintf(out + length, size - length, "%s%s", before, kernels_sets[i]->name);
  }
}

bool kernels_choose(const char *name, Error *error) {
  if (name == NULL) name = "";
  const Kernels *kernels = name[0] == '\0' ? kernels_best() : kernels_find(name);
  if (kernels == NULL) {
    char names[100];
    kernels_list(names, sizeof names);
    return error_raise(error, ERROR_ARGUMENT, "SAFETENSORS_KERNELS",
                       "expected %s, as this machine has it, found \"%.*s\"", names,
                       ERROR_NAME(name, strlen(name)));
  }
  atomic_store(&kernels_choice, kernels);
  return true;
}

const Kernels *kernels_chosen(void) {
  const Kernels *kernels = atomic_load(&kernels_choice);
  return kernels != NULL ? kernels : kernels_best();
}
