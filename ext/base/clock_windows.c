#include "base/clock.h"

#include "base/wide_windows.h"

#if defined(_WIN32)

int64_t clock_monotonic(void) {
  LARGE_INTEGER count, frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  int64_t second = 1000000000, per_second = frequency.QuadPart;
  return count.QuadPart / per_second * second + count.QuadPart % per_second * second / per_second;
}

int64_t clock_now(void) {
  FILETIME now;
  GetSystemTimePreciseAsFileTime(&now);
  return wide_time((int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime));
}

void clock_sleep(int64_t duration) {
  Sleep((DWORD)((duration + 999999) / 1000000));
}

#endif
