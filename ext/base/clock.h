/* The system's clocks, in nanoseconds, and sleeping. */
#ifndef SAFETENSORS_BASE_CLOCK_H
#define SAFETENSORS_BASE_CLOCK_H

#include <stdint.h>

/* The time since an arbitrary moment. It never goes back and does not jump when the date is set. */
int64_t clock_monotonic(void);

/* The time since 1970, as file systems stamp files with it. */
int64_t clock_now(void);

/* Sleeps for `duration` nanoseconds, which must be less than a second. */
void clock_sleep(int64_t duration);

#endif
