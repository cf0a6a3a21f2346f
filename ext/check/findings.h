/*
** The findings of one step of a check: a queue between the check, which works in small steps, and
** the reader of its rows. So the check of a header with a million faults holds only a few findings
** at a time.
*/
#ifndef SAFETENSORS_CHECK_FINDINGS_H
#define SAFETENSORS_CHECK_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "check/lint_code.h"

#define FINDING_NO_OFFSET UINT64_MAX

/* `file` and `tensor` are NULL if the finding has none. They and the message are valid until the
** next step. `tensor` is invalid UTF-8 if its header is. */
typedef struct Finding {
  LintCode code;
  uint64_t offset; /* the offset in the file, or FINDING_NO_OFFSET */
  const char *file;
  const char *tensor;
  uint64_t tensor_length;
  char *message;
} Finding;

/* Must be zeroed before use; findings_clear() releases its memory. The check sets the subject of
** the next findings. */
typedef struct Findings {
  const char *file;
  const char *tensor;
  uint64_t tensor_length;
  bool muted;     /* findings are dropped, because the file is only read for what it has in common
                     with others */
  Cancel *cancel; /* asked whether to continue with long work; may be NULL */
  bool failed;    /* memory has run out or the check was interrupted: it cannot continue */
  Error problem;  /* the reason; findings_clear() keeps it */
  bool seen[LINT_CODE_COUNT]; /* the codes of the findings of this step */
  uint32_t count, next;
  Finding list[LINT_CODE_COUNT];
} Findings;

/* Sets the tensor that the findings of this step are about, including those added so far. NULL for
** none. */
void findings_set_tensor(Findings *findings, const char *name, uint64_t length);

/* Adds a finding about the subject, unless the step has already added one with this code: only the
** first place where a tensor has a fault is reported. */
void findings_add(Findings *findings, LintCode code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Notes that memory has run out. Returns false. */
bool findings_fail_memory(Findings *findings);

/* Returns whether to process row number `row` of a loop: see cancel_go_on_row(). */
bool findings_go_on(Findings *findings, uint64_t row);

/* Removes the next finding from the queue and returns it. Returns NULL if there is none. */
const Finding *findings_take(Findings *findings);

/* Begins a step with an empty queue. */
void findings_clear(Findings *findings);

#endif
