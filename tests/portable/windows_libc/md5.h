/* libmd's interface to MD5, as far as the runner uses it. */
#ifndef TESTS_PORTABLE_MD5_H
#define TESTS_PORTABLE_MD5_H

#include <stddef.h>
#include <stdint.h>

enum { MD5_DIGEST_LENGTH = 16, MD5_DIGEST_STRING_LENGTH = 33 };

typedef struct MD5_CTX {
  uint64_t state[32]; /* musl's */
} MD5_CTX;

void MD5Init(MD5_CTX *context);
void MD5Update(MD5_CTX *context, const uint8_t *bytes, size_t size);

/* Writes the digest in hexadecimal digits, and returns it. */
char *MD5End(MD5_CTX *context, char *text);

#endif
