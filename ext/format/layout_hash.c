#include "format/layout_hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "json/json_string.h"

static void layout_hash_append(sqlite3_str *out, const Header *header, uint32_t number) {
  const TensorEntry *entry = &header->tensors[number];
  if (number > 0) sqlite3_str_appendchar(out, 1, '\n');
  sqlite3_str_appendchar(out, 1, '[');
  json_string_append(out, header->text + entry->name.offset, entry->name.length);
  sqlite3_str_appendf(out, ",\"%s\",", dtype_name(entry->dtype));
  sqlite3_str_append(out, header->text + entry->shape.offset, (int)entry->shape.length);
  sqlite3_str_appendf(out, ",%llu]", (unsigned long long)entry->begin);
}

/* Hashes the text and empties it. */
static bool layout_hash_add(XXH3_state_t *state, sqlite3_str *text, Error *error) {
  if (sqlite3_str_errcode(text) != SQLITE_OK) return error_memory(error);
  int length = sqlite3_str_length(text);
  if (length > 0) XXH3_128bits_update(state, sqlite3_str_value(text), (size_t)length);
  sqlite3_str_reset(text);
  return true;
}

bool layout_hash(const Header *header, const char *subject, Cancel *cancel, unsigned char *out,
                 Error *error) {
  enum { LAYOUT_HASH_AT_ONCE = 1 << 16 };
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset(&state);
  sqlite3_str *text = sqlite3_str_new(NULL);
  bool good = true;
  for (uint32_t i = 0; good && i < header->tensor_count; i++) {
    good = cancel_go_on_row(cancel, i, subject, error);
    layout_hash_append(text, header, i);
    if (good && sqlite3_str_length(text) >= LAYOUT_HASH_AT_ONCE) {
      good = layout_hash_add(&state, text, error);
    }
  }
  good = good && layout_hash_add(&state, text, error);
  sqlite3_free(sqlite3_str_finish(text));
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
  memcpy(out, canonical.digest, LAYOUT_HASH_SIZE);
  return good;
}
