/*
** Paths that match a pattern, as a shell expands it: * any text, ? one character, [abc] [a-z] [^a]
** [!a] one of a set, none of them a '/'; names that begin with a dot only where the pattern does.
**
** A part of the pattern that is there under that very name is taken for it, so a folder named
** "models [v1]" needs no escaping. A folder that the pattern names must be one that can be listed;
** of those that it matches, others are passed over.
*/
#ifndef SAFETENSORS_BASE_GLOB_H
#define SAFETENSORS_BASE_GLOB_H

#include "base/error.h"
#include "base/path_list.h"

bool glob_is_pattern(const char *path);

/* Appends the paths that match, in no order. */
bool glob_expand(const char *pattern, PathList *paths, Error *error);

#endif
