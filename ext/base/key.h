/*
** Bytes that something is remembered by: all that it depends on, one after the other. A key that becomes too long, or
** that there is no memory for, is empty, and nothing is remembered by it.
*/
#ifndef SAFETENSORS_BASE_KEY_H
#define SAFETENSORS_BASE_KEY_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as {0}. key_clear() releases it. */
typedef struct Key {
  unsigned char *bytes;
  uint64_t length, capacity;
} Key;

/* Each adds to the key. False if there is no memory for it, or it would be longer than 16 kB. */
bool key_put(Key *key, const void *bytes, uint64_t size);
bool key_put_number(Key *key, uint64_t number);

/* The same for `count` elements of `size` bytes, and their count; `bytes` may be NULL. */
bool key_put_array(Key *key, const void *bytes, uint64_t count, uint64_t size);

/* Whether both are the same, and not empty. */
bool key_equals(const Key *a, const Key *b);

void key_clear(Key *key);

#endif
