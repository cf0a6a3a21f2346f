#include "check/findings.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

void findings_set_tensor(Findings *findings, const char *name, uint64_t length) {
  findings->tensor = name;
  findings->tensor_length = length;
  for (uint32_t i = 0; name != NULL && i < findings->count; i++) {
    Finding *finding = &findings->list[i];
    if (finding->tensor != NULL) continue;
    finding->tensor = name;
    finding->tensor_length = length;
  }
}

void findings_add(Findings *findings, LintCode code, uint64_t offset, const char *format, ...) {
  if (findings->muted || findings->seen[code]) return;
  va_list arguments;
  va_start(arguments, format);
  char *message = error_text(format, arguments);
  va_end(arguments);
  if (message == NULL) {
    findings_fail_memory(findings);
    return;
  }
  findings->seen[code] = true;
  findings->list[findings->count++] = (Finding){.code = code,
                                                .offset = offset,
                                                .file = findings->file,
                                                .tensor = findings->tensor,
                                                .tensor_length = findings->tensor_length,
                                                .message = message};
}

bool findings_fail_memory(Findings *findings) {
  findings->failed = true;
  return error_memory(&findings->problem);
}

bool findings_go_on(Findings *findings, uint64_t row) {
  const char *subject = findings->file != NULL ? findings->file : "BLOB";
  if (cancel_go_on_row(findings->cancel, row, subject, &findings->problem)) return true;
  findings->failed = true;
  return false;
}

const Finding *findings_take(Findings *findings) {
  return findings->next < findings->count ? &findings->list[findings->next++] : NULL;
}

void findings_clear(Findings *findings) {
  for (uint32_t i = 0; i < findings->count; i++) {
    memory_free(findings->list[i].message);
    findings->seen[findings->list[i].code] = false;
  }
  findings->count = findings->next = 0;
}
