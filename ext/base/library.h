/* Functions of libraries that are opened when they are needed. */
#ifndef SAFETENSORS_BASE_LIBRARY_H
#define SAFETENSORS_BASE_LIBRARY_H

#include <stdbool.h>

/* Sets *function, a pointer to a function, to the one of that name, in a library as dlopen() or LoadLibrary() gives it. False
** if it has none. C converts no pointer to an object to one to a function, so its bytes are copied. */
bool library_find(void *library, const char *name, void *function);

#endif
