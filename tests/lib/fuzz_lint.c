#include "fuzz_lint.h"

/* The errors among the findings of a step, which are then cleared. */
static uint32_t count_errors(Findings *findings, uint64_t file_size) {
  uint32_t errors = 0;
  REQUIRE(!findings->failed);
  for (const Finding *finding; (finding = findings_take(findings)) != NULL;) {
    errors += lint_code_is_error(finding->code);
    REQUIRE(finding->offset <= file_size || finding->offset == FINDING_NO_OFFSET);
    REQUIRE(utf8_valid_length(finding->message, strlen(finding->message)) ==
            strlen(finding->message));
  }
  findings_clear(findings);
  return errors;
}

static char *copy_bytes(const void *bytes, size_t size) {
  char *copy = memory_alloc(size);
  REQUIRE(copy != NULL);
  if (size > 0) memcpy(copy, bytes, size);
  return copy;
}

uint32_t lint_header_errors(const void *text, size_t length, uint64_t file_size) {
  static HeaderLint lint;
  static Findings findings;
  unsigned char first[SIGNATURE_SIZE] = {0};
  uint64_t found = 0;
  for (int i = 0; i < HEADER_PREFIX_SIZE; i++) {
    first[i] = (unsigned char)((uint64_t)length >> 8 * i);
  }
  size_t shown =
      length < sizeof first - HEADER_PREFIX_SIZE ? length : sizeof first - HEADER_PREFIX_SIZE;
  if (shown > 0) memcpy(first + HEADER_PREFIX_SIZE, text, shown);
  bool plausible = header_lint_prefix(&lint, &findings, first, file_size, &found);
  uint32_t errors = count_errors(&findings, file_size);
  if (plausible) {
    REQUIRE(found == length);
    header_lint_start(&lint, copy_bytes(text, length), length);
    while (header_lint_step(&lint)) errors += count_errors(&findings, file_size);
    errors += count_errors(&findings, file_size);
  }
  header_lint_clear(&lint);
  return errors;
}

uint32_t lint_index_errors(const void *text, size_t length) {
  static IndexLint lint;
  static Findings findings;
  uint32_t errors = 0;
  index_lint_start(&lint, &findings, copy_bytes(text, length), length);
  while (index_lint_step(&lint)) errors += count_errors(&findings, length);
  index_lint_clear(&lint);
  return errors;
}
