/* The terminal that stderr may be. */
#ifndef SAFETENSORS_BASE_TERMINAL_H
#define SAFETENSORS_BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether stderr is a terminal. */
bool terminal_is_there(void);

/* The number of columns, or 0 if the system does not report it. */
unsigned terminal_width(void);

/* Writes to it. Nobody can do anything about a failure, so there is no result. */
void terminal_write(const char *text, size_t length);

#endif
