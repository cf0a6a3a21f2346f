#include "sql/weight_ref.h"

#include <string.h>

#include "base/memory.h"
#include "base/path_text.h"
#include "json/json_string.h"
#include "model/ref.h"
#include "tensor/decimal.h"

void weight_ref_append_key(sqlite3_str *out, bool first, const char *key) {
  sqlite3_str_appendf(out, "%s\"%s\":", first ? "{" : ",", key);
}

bool weight_ref_append_tensor(sqlite3_str *out, const Checkpoint *checkpoint, uint32_t member,
                              const char *name, uint64_t length) {
  const char *path = checkpoint_member_path(checkpoint, member);
  char *escaped =
      path_text_is_plain(path, strlen(path)) ? NULL : path_text_escape(path, strlen(path));
  if (escaped != NULL) path = escaped;
  sqlite3_str *ref = sqlite3_str_new(NULL);
  ref_append(
      ref, &(Ref){.path = path, .path_length = strlen(path), .name = name, .name_length = length});
  uint64_t size = (uint64_t)sqlite3_str_length(ref);
  char *text = sqlite3_str_finish(ref);
  if (text != NULL) json_string_append(out, text, size);
  memory_free(text);
  memory_free(escaped);
  return text != NULL;
}

static const char *weight_ref_text(const WeightList *list, const Span *span) {
  return list->text + span->offset;
}

static bool weight_ref_append_own_tensor(sqlite3_str *out, const Checkpoint *checkpoint,
                                         const WeightList *list, uint32_t number) {
  const WeightTensor *tensor = &list->tensors[number];
  return weight_ref_append_tensor(out, checkpoint, tensor->member,
                                  weight_ref_text(list, &tensor->name), tensor->name.length);
}

static void weight_ref_append_option(sqlite3_str *out, const WeightList *list,
                                     const WeightOption *option) {
  char digits[DECIMAL_SIZE];
  switch (option->kind) {
    case WEIGHT_OPTION_INTEGER:
      sqlite3_str_appendf(out, "%lld", (sqlite3_int64)option->value.integer);
      break;
    case WEIGHT_OPTION_REAL:
      sqlite3_str_append(out, digits, decimal_format(option->value.real, digits));
      break;
    case WEIGHT_OPTION_TEXT:
      json_string_append(out, option->value.text, strlen(option->value.text));
      break;
    case WEIGHT_OPTION_JSON:
      sqlite3_str_appendall(out, weight_ref_text(list, &option->value.json));
      break;
  }
}

bool weight_ref_append_expression(sqlite3_str *out, const Checkpoint *checkpoint,
                                  const WeightList *list, const WeightRow *row) {
  bool first = true, good = true;
  sqlite3_str_appendf(out, "{\"op\":\"dequantize\",\"scheme\":\"%s\",\"parts\":",
                      weight_scheme_name((WeightScheme)row->scheme));
  for (uint32_t i = 0; i < row->part_count; i++) {
    const WeightPart *part = &list->parts[row->first_part + i];
    if (!part->is_read) continue;
    weight_ref_append_key(out, first, part->role);
    good = weight_ref_append_own_tensor(out, checkpoint, list, part->tensor) && good;
    first = false;
  }
  sqlite3_str_appendall(out, row->option_count > 0 ? "},\"options\":" : "}");
  for (uint32_t i = 0; i < row->option_count; i++) {
    const WeightOption *option = &list->options[row->first_option + i];
    weight_ref_append_key(out, i == 0, option->name);
    weight_ref_append_option(out, list, option);
  }
  sqlite3_str_appendall(out, row->option_count > 0 ? "}}" : "}");
  return good;
}

bool weight_ref_append(sqlite3_str *out, const Checkpoint *checkpoint, const WeightList *list,
                       const WeightRow *row) {
  return row->is_packed ? weight_ref_append_expression(out, checkpoint, list, row)
                        : weight_ref_append_own_tensor(out, checkpoint, list, row->tensor);
}
