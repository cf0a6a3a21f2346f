/*
** The floating-point environment: how the machine rounds, whether it treats subnormal numbers as 0,
** which exceptions end the process, and the flags of those that have occurred. It belongs to the
** host, which may have set an unusual one: PyTorch can flush subnormals to 0, and so does every
** program that has loaded a library linked with -ffast-math.
**
** The extension computes in the default environment, and the host then gets its own back, flags
** included. sql/exact_function.h and sql/exact_module.h do that around SQLite's calls into the
** extension; each thread of a work queue does it for itself.
**
**     FloatEnvironment host;
**     float_environment_enter(&host);
**     ... call something that the compiler cannot see into: float_environment_hide() ...
**     float_environment_leave(&host);
**
** Both take a few nanoseconds if the host's environment is the default one.
*/
#ifndef SAFETENSORS_BASE_FLOAT_ENVIRONMENT_H
#define SAFETENSORS_BASE_FLOAT_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE__))
#define FLOAT_ENVIRONMENT_X86 1
#elif defined(__aarch64__)
#define FLOAT_ENVIRONMENT_ARM64 1
#else
#include <fenv.h>
#endif

typedef struct FloatEnvironment {
#if defined(FLOAT_ENVIRONMENT_X86)
  uint32_t mxcsr;
  uint16_t x87_control, x87_status;
  uint32_t x87[7]; /* as FNSTENV stores it, if that is needed */
#elif defined(FLOAT_ENVIRONMENT_ARM64)
  uint64_t control, status;
#else
  fenv_t all;
#endif
} FloatEnvironment;

/* Saves the current environment in *host, and sets the default one. A thread that is started
** before the leave may inherit either, so each thread enters for itself. */
static inline void float_environment_enter(FloatEnvironment *host);

/* Restores *host. */
static inline void float_environment_leave(const FloatEnvironment *host);

/* Hides from the compiler which function is called between the two. Compilers know nothing of
** the environment, and would otherwise move arithmetic out from between them. */
#define float_environment_hide(function) __asm__ volatile("" : "+r"(function) : : "memory")

#if defined(FLOAT_ENVIRONMENT_X86)

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 8.1.5 and 10.2.3. */
enum {
  MXCSR_DEFAULT = 0x1f80,
  MXCSR_FLAGS = 0x3f,
  X87_DEFAULT = 0x037f,
  X87_CONTROLS = 0x0f3f, /* of the control word: rounding, precision, masks */
  X87_FLAGS = 0xff       /* of the status word: exceptions, and what follows from them */
};

/* 64-bit code does not use x87 here, but C libraries and SQLite do where they make text of numbers,
** or numbers of text: its flags are looked at, and set again if they are others. 32-bit code returns
** its results in x87. */
#if defined(__x86_64__)
enum { X87_IS_USUAL = 0 };
#else
enum { X87_IS_USUAL = 1 };
#endif

void float_environment_enter_x87(FloatEnvironment *host);
void float_environment_leave_x87(const FloatEnvironment *host);
void float_environment_set_x87_flags(const FloatEnvironment *host);

static inline bool float_environment_keeps_x87(const FloatEnvironment *host) {
  return X87_IS_USUAL || (host->x87_control & X87_CONTROLS) != (X87_DEFAULT & X87_CONTROLS);
}

static inline void float_environment_enter(FloatEnvironment *host) {
  const uint32_t usual = MXCSR_DEFAULT;
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tfnstsw %2"
                   : "=m"(host->mxcsr), "=m"(host->x87_control), "=m"(host->x87_status));
  /* cppcheck-suppress ctuuninitvar ; the instructions before set it */
  if ((host->mxcsr & ~(uint32_t)MXCSR_FLAGS) != MXCSR_DEFAULT) {
    __asm__ volatile("ldmxcsr %0" : : "m"(usual) : "memory");
  }
  if (float_environment_keeps_x87(host)) float_environment_enter_x87(host);
}

static inline void float_environment_leave(const FloatEnvironment *host) {
  uint16_t status;
  __asm__ volatile("ldmxcsr %0" : : "m"(host->mxcsr) : "memory");
  if (float_environment_keeps_x87(host)) {
    float_environment_leave_x87(host);
    return;
  }
  __asm__ volatile("fnstsw %0" : "=a"(status) : : "memory");
  if (((status ^ host->x87_status) & X87_FLAGS) != 0) float_environment_set_x87_flags(host);
}

#elif defined(FLOAT_ENVIRONMENT_ARM64)

/* Arm Architecture Reference Manual for A-profile, C5.2.8 (FPCR, 0 by default) and C5.2.10 (FPSR). */
static inline void float_environment_enter(FloatEnvironment *host) {
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(host->control), "=r"(host->status));
  /* cppcheck-suppress ctuuninitvar ; the instructions before set it */
  if (host->control != 0) __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
}

static inline void float_environment_leave(const FloatEnvironment *host) {
  uint64_t status;
  __asm__ volatile("mrs %0, fpsr" : "=r"(status) : : "memory");
  if (status != host->status) __asm__ volatile("msr fpsr, %0" : : "r"(host->status));
  if (host->control != 0) __asm__ volatile("msr fpcr, %0" : : "r"(host->control) : "memory");
}

#else

static inline void float_environment_enter(FloatEnvironment *host) {
  fegetenv(&host->all);
  fesetenv(FE_DFL_ENV);
}

static inline void float_environment_leave(const FloatEnvironment *host) {
  fesetenv(&host->all);
}

#endif

#endif
