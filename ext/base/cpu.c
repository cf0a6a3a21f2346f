#include "base/cpu.h"

#include <stdatomic.h>

/* gcc for Windows keeps wide registers on a stack that it does not align for them (its bug 54412), so
** what it compiles must not use them. */
#if defined(__x86_64__) && (!defined(_WIN32) || defined(__clang__))

#include <cpuid.h>
#include <stddef.h>
#include <stdint.h>

/* __builtin_cpu_supports() would be shorter, but it needs a part of the compiler's runtime library
** that not every system links (musl, macOS and FreeBSD), and older versions do not know F16C.
**
** Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 14.3 and 15.2
** to 15.4; volume 2, CPUID and XGETBV. */

/* XCR0: which registers the operating system saves. */
static uint32_t cpu_saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

typedef struct CpuBit {
  unsigned feature, bit; /* of the feature, and in CPUID's register */
} CpuBit;

static unsigned cpu_features_of(uint32_t bits, const CpuBit *table, unsigned count) {
  unsigned features = 0;
  for (unsigned i = 0; i < count; i++) {
    if (bits >> table[i].bit & 1) features |= table[i].feature;
  }
  return features;
}

static unsigned cpu_find_features(void) {
  static const CpuBit leaf_1_ecx[] = {{CPU_FMA, 12}, {CPU_POPCNT, 23}, {CPU_F16C, 29}};
  static const CpuBit leaf_7_ebx[] = {
      {CPU_AVX2, 5}, {CPU_AVX512F, 16}, {CPU_AVX512DQ, 17}, {CPU_AVX512BW, 30}, {CPU_AVX512VL, 31}};
  static const CpuBit leaf_7_ecx[] = {{CPU_AVX512VBMI, 1}, {CPU_AVX512VNNI, 11}};
  enum { CPU_OSXSAVE = 1 << 27, CPU_AVX = 1 << 28, CPU_YMM_STATES = 0x6, CPU_ZMM_STATES = 0xe0 };
  enum {
    CPU_ALL_512 =
        CPU_AVX512F | CPU_AVX512BW | CPU_AVX512DQ | CPU_AVX512VL | CPU_AVX512VBMI | CPU_AVX512VNNI
  };
  uint32_t eax, ebx, ecx, edx;
  const unsigned last = (unsigned)__get_cpuid_max(0, NULL); /* an int in clang */
  if (last < 1) return 0;
  __cpuid(1, eax, ebx, ecx, edx);
  if ((ecx & CPU_OSXSAVE) == 0 || (ecx & CPU_AVX) == 0) return 0;
  uint32_t saved = cpu_saved_states();
  if ((saved & CPU_YMM_STATES) != CPU_YMM_STATES) return 0;
  unsigned features = cpu_features_of(ecx, leaf_1_ecx, 3);
  if (last >= 7) {
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    features |= cpu_features_of(ebx, leaf_7_ebx, 5) | cpu_features_of(ecx, leaf_7_ecx, 2);
  }
  return (saved & CPU_ZMM_STATES) == CPU_ZMM_STATES ? features : features & ~(unsigned)CPU_ALL_512;
}

#else

static unsigned cpu_find_features(void) {
  return 0;
}

#endif

/* Asks the processor once, because a virtual machine takes microseconds for each answer. */
static unsigned cpu_features(void) {
  enum { CPU_KNOWN = 1 << 30 };
  static atomic_uint known;
  unsigned features = atomic_load(&known);
  if (features == 0) {
    features = cpu_find_features() | CPU_KNOWN;
    atomic_store(&known, features);
  }
  return features;
}

bool cpu_has(unsigned features) {
  return (features & ~cpu_features()) == 0;
}
