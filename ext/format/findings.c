#include "format/findings.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

_Static_assert(LINT_CODE_COUNT <= 64, "a bit for each code");

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
  uint64_t bit = (uint64_t)1 << code;
  if ((findings->seen & bit) != 0) return;
  va_list arguments;
  va_start(arguments, format);
  char *message = error_text(format, arguments);
  va_end(arguments);
  if (message == NULL) {
    findings->out_of_memory = true;
    return;
  }
  utf8_mend(message, strlen(message)); /* it may quote a header that is not UTF-8 */
  findings->seen |= bit;
  findings->list[findings->count++] = (Finding){.code = code,
                                                .offset = offset,
                                                .file = findings->file,
                                                .tensor = findings->tensor,
                                                .tensor_length = findings->tensor_length,
                                                .message = message};
}

const Finding *findings_take(Findings *findings) {
  return findings->next < findings->count ? &findings->list[findings->next++] : NULL;
}

void findings_clear(Findings *findings) {
  for (uint32_t i = 0; i < findings->count; i++) memory_free(findings->list[i].message);
  findings->count = findings->next = 0;
  findings->seen = 0;
}
