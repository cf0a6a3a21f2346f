/*
** The files that are in the program: the scripts of sql/ and SKILL.md. .package/program.py writes the file
** embedded.c, in which they are packed (packed_text.h); the first call unpacks all of them, within a millisecond.
*/
#ifndef SAFETENSORS_PROGRAM_EMBEDDED_H
#define SAFETENSORS_PROGRAM_EMBEDDED_H

#include <stddef.h>

typedef struct EmbeddedFile {
  const char *name; /* of a script, its path below sql/ without ".sql": "compare", "fleet/merge" */
  const char *bytes;
  size_t size;
} EmbeddedFile;

/* Sorted by name; NULL behind the last. */
const EmbeddedFile *embedded_script(size_t number);

const EmbeddedFile *embedded_skill(void);

#endif
