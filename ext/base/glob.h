/*
** Paths that match a pattern, as a shell expands it: * is any text, ? one character, [abc] [a-z]
** [^a] [!a] one character of a set, and none of them matches a '/'. ** as a whole component is any
** number of directories, or none. \ makes the next character an ordinary one, and so is a '['
** without a ']'. Names that begin with a dot match only if the pattern begins with one, and names
** of AppleDouble files ("._") only if it begins with both characters. `**` at the end matches all
** files below, except in hidden directories.
**
** Where '\' separates the components of a path, on Windows, it does not escape. [*] is an ordinary '*'
** everywhere.
**
** A component that exists under exactly that name is taken as a name, so a directory named "models
** [v1]" needs no escaping. A directory that the pattern names must be one that can be listed; one
** that it only matches is passed over if it cannot be.
**
** Links to directories are followed, but never back to a directory that the path has passed
** through. `**` searches each directory once, under its own name if it comes across that. The other
** parts of a pattern list a directory that several links lead to under all its names, up to
** GLOB_MAX_WAYS of them. So the work is bounded by what exists, not by what the pattern could
** spell.
*/
#ifndef SAFETENSORS_BASE_GLOB_H
#define SAFETENSORS_BASE_GLOB_H

#include "base/cancel.h"
#include "base/path_list.h"

enum {
  GLOB_MAX_WAYS = 64,
  GLOB_MAX_COMPONENT = 16384 /* in bytes; the longest name of a file has some hundred */
};

/* Whether a path that does not exist is a pattern. */
bool glob_is_pattern(const char *path);

/* Appends the paths that match. The list is then in natural order, and has each path once. */
bool glob_expand(const char *pattern, PathList *paths, Cancel *cancel, Error *error);

#endif
