#include "base/clock.h"

#if !defined(_WIN32)
#include <time.h>

static int64_t clock_posix_read(clockid_t clock) {
  struct timespec now = {0};
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

int64_t clock_monotonic(void) {
  return clock_posix_read(CLOCK_MONOTONIC);
}

int64_t clock_now(void) {
  return clock_posix_read(CLOCK_REALTIME);
}

void clock_sleep(int64_t duration) {
  struct timespec time = {.tv_nsec = (long)duration};
  nanosleep(&time, NULL);
}

#endif
