/*
** What one step of a check has found: a queue between the check, which is done in small steps, and
** the reader of its rows. So a check of a header with a million faults holds a few at a time.
*/
#ifndef SAFETENSORS_FORMAT_FINDINGS_H
#define SAFETENSORS_FORMAT_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/lint_code.h"

#define FINDING_NO_OFFSET UINT64_MAX

/* `file` and `tensor` are NULL where there is none; they and the message are valid until the next
** step. `tensor` may be no valid UTF-8 when its header is none. */
typedef struct Finding {
  LintCode code;
  uint64_t offset; /* in the file, or FINDING_NO_OFFSET */
  const char *file;
  const char *tensor;
  uint64_t tensor_length;
  char *message;
} Finding;

/* Starts as {0}; findings_clear() releases what it holds. The subject, what the next findings are
** about, is set by whoever knows it. */
typedef struct Findings {
  const char *file;
  const char *tensor;
  uint64_t tensor_length;
  bool out_of_memory; /* something is missing: the check cannot go on */
  uint64_t seen;      /* the codes added in this step, a bit each */
  uint32_t count, next;
  Finding list[LINT_CODE_COUNT];
} Findings;

/* Names the tensor that the step's findings are about, those so far too; NULL for none. */
void findings_set_tensor(Findings *findings, const char *name, uint64_t length);

/* Adds a finding about the subject, if the step has not added one of this code: the first place
** where a tensor has a fault is the one to report. */
void findings_add(Findings *findings, LintCode code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The next finding, which is taken from the queue; NULL when there is none. */
const Finding *findings_take(Findings *findings);

/* Begins a step: the queue, which has been read, is empty. */
void findings_clear(Findings *findings);

#endif
