/*
** Cryptographic digests: SHA-256 and SHA-1 (FIPS 180-4). They are computed by a library of the system,
** which is found when it is needed first: libcrypto of OpenSSL, CommonCrypto on macOS, BCrypt on Windows.
** A program that is linked statically cannot load a library; it has libmd in it (SAFETENSORS_LIBMD).
*/
#ifndef SAFETENSORS_BASE_DIGEST_H
#define SAFETENSORS_BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum DigestKind { DIGEST_SHA256, DIGEST_SHA1, DIGEST_KIND_COUNT } DigestKind;

/* The most bytes of a digest, and the size of its text in hexadecimal digits, with a NUL. */
enum { DIGEST_MAX_SIZE = 32, DIGEST_TEXT_SIZE = 2 * DIGEST_MAX_SIZE + 1 };

/* The bytes of a digest of that kind. */
uint32_t digest_size(DigestKind kind);

/* A digest that is being computed, by one thread at a time. */
typedef struct Digest Digest;

/* NULL with an error about `subject`, if memory runs out or if no library is found: then it says what
** to install. digest_free() releases it. For any thread. */
Digest *digest_new(DigestKind kind, const char *subject, Error *error);
void digest_free(Digest *digest);

/* Adds bytes. A failure of the library is reported by digest_end(). */
void digest_add(Digest *digest, const void *bytes, uint64_t size);

/* Computes the digest of all that was added, into DIGEST_MAX_SIZE bytes, of which the last ones may stay
** as they were. Nothing can be added after it. False with an error about the same subject. */
bool digest_end(Digest *digest, unsigned char *out, Error *error);

/* Writes `size` bytes in lower-case hexadecimal digits, into 2 * size + 1 bytes; those of a digest need
** DIGEST_TEXT_SIZE at most. */
void digest_text(const unsigned char *bytes, uint32_t size, char *text);

/* ---- For digest.c: a library of the system. Each function returns whether it succeeded. ---- */

/* What to install, for the message where there is none. */
const char *digest_library_advice(void);

/* Makes sure that there is a library. */
bool digest_library_open(void);

/* Sets *state to a digest that has begun; digest_library_free() releases it, and takes NULL, too. */
bool digest_library_begin(DigestKind kind, void **state);
bool digest_library_add(DigestKind kind, void *state, const void *bytes, uint64_t size);
bool digest_library_end(DigestKind kind, void *state, unsigned char *out);
void digest_library_free(DigestKind kind, void *state);

#endif
