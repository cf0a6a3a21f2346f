/*
** Texts that .package/pack_texts.py has packed. They are a list of steps. Each appends some bytes as they
** stand, and then some that are there already:
**
**   one byte     literals << 4 | match; 15 says that a number follows, to be added
**   [number]     to the literals
**   literals
**   number       how far back the match begins; the last step ends before it
**   [number]     to the match, which is 5 bytes longer than is written
**
** A number has seven bits in each byte, the lowest first, and the eighth says that it goes on.
*/
#ifndef SAFETENSORS_PROGRAM_PACKED_TEXT_H
#define SAFETENSORS_PROGRAM_PACKED_TEXT_H

#include <stddef.h>

typedef struct PackedText {
  const unsigned char *bytes;
  size_t packed_size, size; /* of what was packed: exactly */
} PackedText;

/* The text, in kept memory; NULL if this is not one that was packed. Its matches may begin in the text
** before it, as it did when it was packed. */
const char *packed_text_unpack(PackedText packed, const char *before, size_t before_size);

#endif
