#include "base/memory.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>

/* Linux then clears 2 MB at once, instead of stopping the program at each 4 KB of them. What is asked
** for is the whole mapping that malloc() makes for a large block: realloc() could not move half of
** one. */
void memory_prefer_large_pages(void *block, uint64_t size) {
#if defined(MADV_HUGEPAGE)
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = (uintptr_t)block & ~(page - 1);
  uintptr_t end = ((uintptr_t)block + (uintptr_t)size + page - 1) & ~(page - 1);
  madvise((void *)start, (size_t)(end - start), MADV_HUGEPAGE);
#else
  (void)block, (void)size;
#endif
}

#endif
