/* The environment of the process. Values are UTF-8, or on POSIX systems what the user has set. */
#ifndef SAFETENSORS_BASE_ENVIRONMENT_H
#define SAFETENSORS_BASE_ENVIRONMENT_H

#include <stdbool.h>

/* Copies the value of a variable, or sets *value to NULL if it is not set. memory_free() releases
** it. False when memory runs out. */
bool environment_get(const char *name, char **value);

/* The same, where an empty value counts as none. */
bool environment_find(const char *name, char **value);

/* The same for the home directory of the user: $HOME or, on Windows, %USERPROFILE%, else %HOME%. */
bool environment_home(char **value);

#endif
