#include "base/float_environment.h"

#if defined(FLOAT_ENVIRONMENT_X86)

void float_environment_enter_x87(FloatEnvironment *host) {
  const uint16_t usual = X87_DEFAULT;
  __asm__ volatile("fnstenv %0\n\tfldcw %1" : "=m"(host->x87) : "m"(usual) : "memory");
}

void float_environment_leave_x87(const FloatEnvironment *host) {
  __asm__ volatile("fldenv %0" : : "m"(host->x87) : "memory");
}

#else

typedef int FloatEnvironmentNeedsNothing; /* ISO C requires a declaration in each file */

#endif
