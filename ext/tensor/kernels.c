#include "tensor/kernels.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

typedef struct Choice {
  const Kernels *kernels;
  bool (*supported)(void);
} Choice;

static bool always(void) {
  return true;
}

#if defined(__x86_64__)

/* __builtin_cpu_supports() asks the operating system too, whether it saves the registers; but not
** every compiler's knows of F16C. */
static bool has_avx2(void) {
  unsigned eax, ebx, ecx = 0, edx;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
}

#endif

/* The best first. */
static const Choice choices[] = {
#if defined(__x86_64__)
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
#endif
    {&kernels_portable, always},
};
enum { CHOICE_COUNT = sizeof choices / sizeof choices[0] };

/* Several connections may load the extension at a time. */
static _Atomic(const Kernels *) chosen;

static const Kernels *best(void) {
  int i = 0;
  while (!choices[i].supported()) i++;
  return choices[i].kernels;
}

const Kernels *kernels_find(const char *name) {
  for (int i = 0; i < CHOICE_COUNT; i++) {
    if (strcmp(choices[i].kernels->name, name) == 0) {
      return choices[i].supported() ? choices[i].kernels : NULL;
    }
  }
  return NULL;
}

bool kernels_choose(const char *name, Error *error) {
  if (name == NULL) name = "";
  const Kernels *kernels = name[0] == '\0' ? best() : kernels_find(name);
  if (kernels == NULL) {
    return error_raise(error, ERROR_ARGUMENT, "SAFETENSORS_KERNELS",
                       "expected portable, avx2 or avx512, as this machine has it, found \"%.*s\"",
                       ERROR_NAME(name, strlen(name)));
  }
  atomic_store(&chosen, kernels);
  return true;
}

const Kernels *kernels_chosen(void) {
  const Kernels *kernels = atomic_load(&chosen);
  return kernels != NULL ? kernels : best();
}
