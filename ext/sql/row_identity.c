#include "sql/row_identity.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sql/result.h"

static RowKey row_identity_digest(XXH3_state_t *state) {
  XXH128_hash_t hash = XXH3_128bits_digest(state);
  return (RowKey){hash.high64, hash.low64};
}

static void row_identity_add_sized(XXH3_state_t *state, int type, const void *bytes,
                                   uint64_t size) {
  uint64_t head[2] = {(uint64_t)type, size};
  XXH3_128bits_update(state, head, sizeof head);
  if (size > 0) XXH3_128bits_update(state, bytes, (size_t)size);
}

static bool row_identity_add_value(XXH3_state_t *state, sqlite3_value *value) {
  int type = sqlite3_value_type(value);
  sqlite3_int64 integer = 0;
  double real = 0;
  const void *bytes = NULL;
  switch (type) {
    case SQLITE_NULL: row_identity_add_sized(state, type, NULL, 0); return true;
    case SQLITE_INTEGER:
      integer = sqlite3_value_int64(value);
      row_identity_add_sized(state, type, &integer, sizeof integer);
      return true;
    case SQLITE_FLOAT:
      real = sqlite3_value_double(value);
      row_identity_add_sized(state, type, &real, sizeof real);
      return true;
    case SQLITE_TEXT: bytes = sqlite3_value_text(value); break;
    default: bytes = sqlite3_value_blob(value); break;
  }
  int size = sqlite3_value_bytes(value);
  if (bytes == NULL && size > 0) return false;
  row_identity_add_sized(state, type, bytes, (uint64_t)size);
  return true;
}

/* False when memory runs out. */
static bool row_identity_find_key(const RowArguments *arguments, uint64_t seed, RowKey *key) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset_withSeed(&state, seed);
  row_identity_add_sized(&state, SQLITE_TEXT, arguments->table, strlen(arguments->table));
  for (int i = 0; i < arguments->count; i++) {
    if (!row_identity_add_value(&state, arguments->values[i])) return false;
  }
  *key = row_identity_digest(&state);
  return true;
}

static RowKey row_identity_key_of_part(RowKey key, uint64_t part, uint64_t seed) {
  uint64_t words[] = {key.high, key.low, part};
  XXH128_hash_t hash = XXH3_128bits_withSeed(words, sizeof words, seed);
  return (RowKey){hash.high64, hash.low64};
}

static bool row_identity_find_part(RowIdentity *identity, const RowArguments *arguments,
                                   uint64_t part, uint64_t count, Error *error) {
  RowNumbers *numbers = session_row_numbers(arguments->session);
  uint64_t seed = row_numbers_seed(numbers);
  if (!identity->has_key && !row_identity_find_key(arguments, seed, &identity->key))
    return error_memory(error);
  identity->has_key = true;
  identity->part = part;
  identity->count = count;
  identity->has_part = row_numbers_range(
      numbers, row_identity_key_of_part(identity->key, part, seed), count, &identity->first, error);
  return identity->has_part;
}

int row_identity_rowid(RowIdentity *identity, const RowArguments *arguments, uint64_t part,
                       uint64_t count, uint64_t row, sqlite3_int64 *out) {
  Error error = {0};
  bool known = identity->has_part && identity->part == part && identity->count == count;
  if (!known && !row_identity_find_part(identity, arguments, part, count, &error)) {
    return result_vtab_error(arguments->vtab, &error);
  }
  *out = identity->first + (sqlite3_int64)row;
  return SQLITE_OK;
}
