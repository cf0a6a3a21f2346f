#include "base/key.h"

#include <string.h>

#include "base/memory.h"

enum { KEY_MAX = 16 << 10 };

bool key_put(Key *key, const void *bytes, uint64_t size) {
  if (size > KEY_MAX || key->length + size > KEY_MAX) return false;
  if (key->length + size > key->capacity) {
    uint64_t capacity = 2 * (key->length + size);
    unsigned char *larger = memory_alloc(capacity);
    if (larger == NULL) return false;
    if (key->length > 0) memcpy(larger, key->bytes, (size_t)key->length);
    memory_free(key->bytes);
    key->bytes = larger;
    key->capacity = capacity;
  }
  if (size > 0) memcpy(key->bytes + key->length, bytes, (size_t)size);
  key->length += size;
  return true;
}

bool key_put_number(Key *key, uint64_t number) {
  return key_put(key, &number, sizeof number);
}

bool key_put_array(Key *key, const void *bytes, uint64_t count, uint64_t size) {
  if (bytes == NULL) return key_put_number(key, UINT64_MAX);
  return count <= KEY_MAX && key_put_number(key, count) && key_put(key, bytes, count * size);
}

bool key_equals(const Key *a, const Key *b) {
  return a->length > 0 && a->length == b->length &&
         memcmp(a->bytes, b->bytes, (size_t)a->length) == 0;
}

void key_clear(Key *key) {
  memory_free(key->bytes);
  *key = (Key){0};
}
