/*
** Matches one component of a pattern with one name: * is any text, ? one character, [abc] [a-z]
** [^a] [!a] one character of a set, and \ makes the next character an ordinary one. A '[' without a
** ']' is an ordinary one, too. Parts of a name that are not UTF-8 match byte by byte.
*/
#ifndef SAFETENSORS_BASE_GLOB_MATCH_H
#define SAFETENSORS_BASE_GLOB_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the component, `length` bytes without a '/', has special characters. */
bool glob_is_special(const char *component, size_t length);

/* Removes the escapes from a component without special characters, in place. */
void glob_unescape(char *component);

/* Whether the name matches. The time is proportional to the product of both lengths. */
bool glob_match(const char *component, const char *name);

#endif
