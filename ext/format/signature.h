/* What a file is that is not a safetensors file, told from its first bytes. */
#ifndef SAFETENSORS_FORMAT_SIGNATURE_H
#define SAFETENSORS_FORMAT_SIGNATURE_H

#include <stddef.h>

/* The number of first bytes that signature_name() looks at. */
enum { SIGNATURE_SIZE = 64 };

typedef struct Signature {
  const char *code; /* a stable identifier */
  const char *name; /* what the file is, and what to do about it, for a message */
} Signature;

/* NULL when the bytes are of no known kind. */
const Signature *signature_find(const unsigned char *bytes, size_t length);

#endif
