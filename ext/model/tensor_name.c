#include "model/tensor_name.h"

#include <string.h>

static bool tensor_name_is_separator(char byte) {
  return byte == '.' || byte == '_' || byte == '/';
}

/* The end of the component that starts at `start`. Sets *numeric if it consists of digits. */
static uint64_t tensor_name_component_end(const char *name, uint64_t length, uint64_t start,
                                          bool *numeric) {
  uint64_t end = start;
  *numeric = true;
  for (; end < length && !tensor_name_is_separator(name[end]); end++) {
    if (name[end] < '0' || name[end] > '9') *numeric = false;
  }
  if (end == start) *numeric = false;
  return end;
}

bool tensor_name_layer(const char *name, uint64_t length, const char **digits,
                       uint64_t *digits_length) {
  for (uint64_t start = 0; start <= length;) {
    bool numeric;
    uint64_t end = tensor_name_component_end(name, length, start, &numeric);
    if (numeric) {
      *digits = name + start;
      *digits_length = end - start;
      return true;
    }
    start = end + 1;
  }
  return false;
}

bool tensor_name_pattern(const char *name, uint64_t length, char *out, uint64_t *out_length,
                         Cancel *cancel, Error *error) {
  uint64_t written = 0, row = 0;
  for (uint64_t start = 0; start < length;) {
    if (!cancel_go_on_row(cancel, ++row, "a tensor's name", error)) return false;
    bool numeric;
    uint64_t end = tensor_name_component_end(name, length, start, &numeric);
    if (numeric) {
      out[written++] = '#';
    } else {
      memcpy(out + written, name + start, (size_t)(end - start));
      written += end - start;
    }
    if (end < length) out[written++] = name[end];
    start = end + 1;
  }
  *out_length = written;
  return true;
}
