#include "base/memory.h"

#if defined(_WIN32)

void memory_prefer_large_pages(void *block, uint64_t size) {
  (void)block, (void)size;
}

#endif
