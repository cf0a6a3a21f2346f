/* Errors of the operating system's calls, as Errors. */
#ifndef SAFETENSORS_BASE_SYSTEM_ERROR_H
#define SAFETENSORS_BASE_SYSTEM_ERROR_H

#include "base/error.h"

/* The kind of error that the system's error number `number` means for a call that looks at, opens or
** reads a file. */
ErrorCode system_error_code(int number);

/* The same for a call that writes, or makes or removes names. */
ErrorCode system_error_write_code(int number);

/* What the number means, in words. */
const char *system_error_words(int number);

/* Raises "PATH: cannot ACTION: ..." for that number, or says that there is no such file. Returns
** false. */
bool system_error_raise(Error *error, const char *path, const char *action, int number);

#endif
