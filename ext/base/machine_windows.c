#include "base/machine.h"

#include "base/wide_windows.h"

#if defined(_WIN32)

uint64_t machine_memory(void) {
  MEMORYSTATUSEX status = {.dwLength = sizeof status};
  return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

/* Windows Internals, part 2, chapter 8: a process has at most 2^24 handles. */
uint64_t machine_max_descriptors(void) {
  return 1 << 24;
}

/* Only addresses limit their number, so this is Linux's default. */
uint64_t machine_max_mappings(void) {
  return 65530;
}

#endif
