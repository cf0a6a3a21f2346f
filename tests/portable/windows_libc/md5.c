#include "md5.h"

#if defined(_WIN32)
#include "crypt_md5.c"

_Static_assert(sizeof(struct md5) <= sizeof(MD5_CTX), "the context is too small");

void MD5Init(MD5_CTX *context) {
  md5_init((struct md5 *)context);
}

void MD5Update(MD5_CTX *context, const uint8_t *bytes, size_t size) {
  md5_update((struct md5 *)context, bytes, size);
}

char *MD5End(MD5_CTX *context, char *text) {
  uint8_t digest[MD5_DIGEST_LENGTH];
  md5_sum((struct md5 *)context, digest);
  for (int i = 0; i < MD5_DIGEST_LENGTH; i++) {
    text[2 * i] = "0123456789abcdef"[digest[i] / 16];
    text[2 * i + 1] = "0123456789abcdef"[digest[i] % 16];
  }
  text[2 * MD5_DIGEST_LENGTH] = '\0';
  return text;
}

#endif
