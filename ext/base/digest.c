#include "base/digest.h"

#include <string.h>

#include "base/memory.h"

struct Digest {
  DigestKind kind;
  void *state;
  const char *subject;
  bool failed;
};

uint32_t digest_size(DigestKind kind) {
  return kind == DIGEST_SHA256 ? 32 : 20;
}

Digest *digest_new(DigestKind kind, const char *subject, Error *error) {
  if (!digest_library_open()) {
    error_fill(error, ERROR_RESOURCE, subject,
               "expected a library that computes digests, found none: %s", digest_library_advice());
    return NULL;
  }
  Digest *digest = memory_zeroed(1, sizeof *digest);
  if (digest == NULL) {
    error_memory(error);
    return NULL;
  }
  *digest = (Digest){.kind = kind, .subject = subject};
  if (digest_library_begin(kind, &digest->state)) return digest;
  error_fill(error, ERROR_RESOURCE, subject,
             "expected the system's library to begin a digest, found that it fails");
  digest_free(digest);
  return NULL;
}

void digest_free(Digest *digest) {
  if (digest == NULL) return;
  digest_library_free(digest->kind, digest->state);
  memory_free(digest);
}

void digest_add(Digest *digest, const void *bytes, uint64_t size) {
  digest->failed =
      digest->failed || (size > 0 && !digest_library_add(digest->kind, digest->state, bytes, size));
}

bool digest_end(Digest *digest, unsigned char *out, Error *error) {
  digest->failed = digest->failed || !digest_library_end(digest->kind, digest->state, out);
  return !digest->failed ||
         error_raise(error, ERROR_RESOURCE, digest->subject,
                     "expected the system's library to compute a digest, found that it fails");
}

void digest_text(const unsigned char *bytes, uint32_t size, char *text) {
  static const char digits[] = "0123456789abcdef";
  for (uint32_t i = 0; i < size; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 0xf];
  }
  text[2 * size] = '\0';
}
