/*
** The files that are in the program: the scripts of sql/ and SKILL.md. .package/program.py writes the file
** embedded.c, in which they are packed (packed_text.h). The headers of all scripts, and the lines that several
** scripts have, are one text; what follows a script's header is another, which refers to the first. So a verb
** unpacks the first, which takes a quarter of a millisecond, and one of the others.
*/
#ifndef SAFETENSORS_PROGRAM_EMBEDDED_H
#define SAFETENSORS_PROGRAM_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

typedef struct EmbeddedText {
  const char *bytes;
  size_t size;
} EmbeddedText;

typedef struct EmbeddedScript {
  const char *name;    /* its path below sql/ without ".sql": "compare", "fleet/merge" */
  EmbeddedText header; /* the comment that it begins with */
} EmbeddedScript;

/* The scripts are sorted by name. Returns whether there is one of that number. */
bool embedded_script(size_t number, EmbeddedScript *script);

/* What follows its header, in kept memory. */
EmbeddedText embedded_body(size_t number);

EmbeddedText embedded_skill(void);

#endif
