/* Recognises, from its first bytes, what a file is that is neither a safetensors file nor an
** index. */
#ifndef SAFETENSORS_FORMAT_SIGNATURE_H
#define SAFETENSORS_FORMAT_SIGNATURE_H

#include <stddef.h>

/* The number of bytes that signature_find() looks at. */
enum { SIGNATURE_SIZE = 512 };

typedef struct Signature {
  const char *code; /* a stable identifier: see lint_code.h */
  const char *name; /* what the file is, and what to do about it, in words for a message */
} Signature;

/* Recognises the first SIGNATURE_SIZE bytes of a file, or all its bytes if it has fewer. Returns
** NULL if they are of no known kind. Only for a file that does not begin as expected, because a
** valid one may begin like another kind by chance, and a text that begins with '{' is "json". */
const Signature *signature_find(const unsigned char *bytes, size_t length);

#endif
