/* The environment of the process. Values are UTF-8, or on POSIX systems what the user has set. */
#ifndef SAFETENSORS_BASE_ENVIRONMENT_H
#define SAFETENSORS_BASE_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Copies the value of a variable, or sets *value to NULL if it is not set. memory_free() releases
** it. False when memory runs out. */
bool environment_get(const char *name, char **value);

/* The same, where an empty value counts as none. */
bool environment_find(const char *name, char **value);

/* The same for the home directory of the user: $HOME or, on Windows, %USERPROFILE%, else %HOME%. */
bool environment_home(char **value);

/* Reads at most the first `most` bytes of a file that the environment names, with a NUL behind them. *text is NULL if there is no
** such file, or if it cannot be read: then nothing is set in it. memory_free() releases it. False when memory runs out. */
bool environment_read_file(const char *path, uint64_t most, char **text);

#endif
