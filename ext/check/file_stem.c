#include "check/file_stem.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"

static bool file_stem_is_one_of(const char *word, const char *words) {
  size_t length = strlen(word);
  for (const char *at = words; *at != '\0';) {
    size_t next = strcspn(at, " ");
    if (next == length && memcmp(at, word, length) == 0) return true;
    at += next + strspn(at + next, " ");
  }
  return false;
}

/* Words that describe how a model was made or stored, rather than which model it is. */
static bool file_stem_is_variant(const char *word) {
  static const char words[] =
      "safetensors model pytorch diffusion consolidated weights full half float float16 float32 "
      "bfloat16 fp32 fp16 fp8 fp4 f32 f16 f8 bf16 nf4 mxfp4 mxfp8 nvfp4 e4m3 e4m3fn e5m2 scaled "
      "int8 "
      "int4 int2 uint8 i8 i4 w8a8 w8a16 w4a16 q2 q3 q4 q5 q6 q8 2bit 3bit 4bit 5bit 6bit 8bit bit "
      "bits "
      "bnb gptq awq hqq quanto quantized quantised quant int ema non nonema noema pruned emaonly "
      "only";
  return file_stem_is_one_of(word, words);
}

static bool file_stem_is_word_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || (byte & 0x80) != 0;
}

static char file_stem_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

char *file_stem(const char *name, uint64_t length) {
  char *stem = memory_alloc(length + 2);
  if (stem == NULL) return NULL;
  uint64_t kept = 0, start = 0;
  for (uint64_t i = 0; i < length; i++) {
    if (path_is_separator(name[i])) start = i + 1;
  }
  for (uint64_t i = start, word = 0; i <= length; i++) {
    if (i < length && file_stem_is_word_byte(name[i])) {
      stem[kept + word++] = file_stem_lower(name[i]);
      continue;
    }
    stem[kept + word] = '\0';
    if (word > 0 && !file_stem_is_variant(stem + kept)) {
      stem[kept + word] = ' ';
      kept += word + 1;
    }
    word = 0;
  }
  stem[kept] = '\0';
  return stem;
}
