#include "base/float_environment.h"

#if defined(FLOAT_ENVIRONMENT_X86)

void float_environment_enter_x87(FloatEnvironment *host) {
  const uint16_t usual = X87_DEFAULT;
  __asm__ volatile("fnstenv %0\n\tfldcw %1" : "=m"(host->x87) : "m"(usual) : "memory");
}

void float_environment_leave_x87(const FloatEnvironment *host) {
  __asm__ volatile("fldenv %0" : : "m"(host->x87) : "memory");
}

/* Only all of its environment can be set. */
void float_environment_set_x87_flags(const FloatEnvironment *host) {
  uint32_t now[7];
  __asm__ volatile("fnstenv %0" : "=m"(now) : : "memory");
  now[1] = (now[1] & ~(uint32_t)X87_FLAGS) | (host->x87_status & X87_FLAGS);
  __asm__ volatile("fldenv %0" : : "m"(now) : "memory");
}

#else

typedef int FloatEnvironmentNeedsNothing; /* ISO C requires a declaration in each file */

#endif
