/*
** Refs: text that names one tensor, or a slice of one.
**
**     PATH#NAME        PATH?slice=SLICE#NAME
**
** In PATH the characters %, ? and # are written %25, %3F and %23; the first # separates; NAME is
** taken as it stands.
*/
#ifndef SAFETENSORS_FORMAT_REF_H
#define SAFETENSORS_FORMAT_REF_H

#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

typedef struct Ref {
  char *path; /* decoded; belongs to the Ref */
  uint64_t path_length;
  const char *slice; /* points into the ref's text; NULL when there is none */
  uint64_t slice_length;
  const char *name; /* points into the ref's text */
  uint64_t name_length;
} Ref;

/* Takes a ref apart. `text` must outlive the Ref, which ref_clear() releases. */
bool ref_parse(const char *text, uint64_t length, Ref *ref, Error *error);

void ref_clear(Ref *ref);

/* Appends PATH, encoded, then, when `slice` is not NULL, "?slice=SLICE", then "#NAME". */
void ref_append(sqlite3_str *out, const char *path, uint64_t path_length, const char *slice,
                uint64_t slice_length, const char *name, uint64_t name_length);

#endif
