/*
** A ref is text that names a tensor, or a slice of one:
**
**     PATH#NAME               PATH?slice=SLICE#NAME
**     PATH?damaged=1#NAME     PATH?damaged=1&slice=SLICE#NAME
**
** In PATH the characters %, ? and # are escaped as %25, %3F and %23, and a { that begins it as %7B.
** The first # ends it. NAME is not escaped. `damaged=1` allows the file to be invalid; those of its tensors that are intact can
** then be opened (format/salvage.h).
*/
#ifndef SAFETENSORS_MODEL_REF_H
#define SAFETENSORS_MODEL_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

typedef struct Ref {
  const char *path; /* decoded and NUL-terminated; belongs to the Ref if that was parsed */
  uint64_t path_length;
  const char *slice; /* points into the text of the ref; NULL if there is none */
  uint64_t slice_length;
  bool damaged;
  const char *name; /* points into the text of the ref */
  uint64_t name_length;
} Ref;

/* Parses a ref. `text` must outlive the Ref, which ref_clear() releases. Returns false, with an
** error, if the text is not a ref or memory runs out; then there is nothing to release. */
bool ref_parse(const char *text, uint64_t length, Ref *ref, Error *error);

void ref_clear(Ref *ref);

/* Appends the text of the ref. Its path is escaped, and there is no slice if `slice` is NULL. */
void ref_append(sqlite3_str *out, const Ref *ref);

#endif
