#include "base/machine.h"

#if !defined(_WIN32)
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

uint64_t machine_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

uint64_t machine_max_descriptors(void) {
  struct rlimit limit = {0};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

uint64_t machine_max_mappings(void) {
  enum { MACHINE_POSIX_LINUX_DEFAULT = 65530 };
  static _Atomic(size_t) max; /* read once */
  size_t known = atomic_load(&max);
  if (known > 0) return known;
  size_t number = MACHINE_POSIX_LINUX_DEFAULT;
  FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
  if (file != NULL) {
    char line[32] = "";
    if (fgets(line, sizeof line, file) != NULL) number = strtoul(line, NULL, 10);
    if (number == 0) number = MACHINE_POSIX_LINUX_DEFAULT;
    fclose(file);
  }
  atomic_store(&max, number);
  return number;
}

#endif
