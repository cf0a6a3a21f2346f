#include "base/digest.h"

#include "base/library.h"
#include "base/memory.h"
#include "base/threads.h"

#if !defined(_WIN32)

#if defined(SAFETENSORS_LIBMD) /* ---- Linked in ---- */

#include <sha1.h>
#include <sha2.h>

const char *digest_library_advice(void) {
  return "";
}

typedef union DigestState {
  SHA2_CTX sha2;
  SHA1_CTX sha1;
} DigestState;

bool digest_library_open(void) {
  return true;
}

bool digest_library_begin(DigestKind kind, void **state) {
  DigestState *begun = memory_zeroed(1, sizeof *begun);
  *state = begun;
  if (begun == NULL) return false;
  if (kind == DIGEST_SHA256) {
    SHA256Init(&begun->sha2);
  } else {
    SHA1Init(&begun->sha1);
  }
  return true;
}

bool digest_library_add(DigestKind kind, void *state, const void *bytes, uint64_t size) {
  DigestState *begun = state;
  if (kind == DIGEST_SHA256) {
    SHA256Update(&begun->sha2, bytes, (size_t)size);
  } else {
    SHA1Update(&begun->sha1, bytes, (size_t)size);
  }
  return true;
}

bool digest_library_end(DigestKind kind, void *state, unsigned char *out) {
  DigestState *begun = state;
  if (kind == DIGEST_SHA256) {
    SHA256Final(out, &begun->sha2);
  } else {
    SHA1Final(out, &begun->sha1);
  }
  return true;
}

void digest_library_free(DigestKind kind, void *state) {
  (void)kind;
  memory_free(state);
}

#else /* ---- Found when it is needed ---- */

#include <dlfcn.h>

#if defined(__APPLE__)

const char *digest_library_advice(void) {
  return "CommonCrypto is a part of macOS";
}

/* CC_SHA256_CTX has 104 bytes, CC_SHA1_CTX 96. Source: CommonCrypto/CommonDigest.h. */
enum { COMMON_CRYPTO_STATE = 256 };

typedef struct DigestFunctions {
  int (*begin)(void *state);
  int (*add)(void *state, const void *bytes, uint32_t size);
  int (*end)(unsigned char *out, void *state);
} DigestFunctions;

static DigestFunctions digest_functions[DIGEST_KIND_COUNT];
static bool digest_is_found;

static bool digest_find_all(void) {
  DigestFunctions *sha256 = &digest_functions[DIGEST_SHA256];
  DigestFunctions *sha1 = &digest_functions[DIGEST_SHA1];
  return library_find(RTLD_DEFAULT, "CC_SHA256_Init", &sha256->begin) &&
         library_find(RTLD_DEFAULT, "CC_SHA256_Update", &sha256->add) &&
         library_find(RTLD_DEFAULT, "CC_SHA256_Final", &sha256->end) &&
         library_find(RTLD_DEFAULT, "CC_SHA1_Init", &sha1->begin) &&
         library_find(RTLD_DEFAULT, "CC_SHA1_Update", &sha1->add) &&
         library_find(RTLD_DEFAULT, "CC_SHA1_Final", &sha1->end);
}

bool digest_library_open(void) {
  process_lock_enter();
  if (!digest_is_found && digest_find_all()) digest_is_found = true;
  bool found = digest_is_found;
  process_lock_leave();
  return found;
}

bool digest_library_begin(DigestKind kind, void **state) {
  *state = memory_zeroed(1, COMMON_CRYPTO_STATE);
  return *state != NULL && digest_functions[kind].begin(*state) == 1;
}

bool digest_library_add(DigestKind kind, void *state, const void *bytes, uint64_t size) {
  const uint64_t most = (uint64_t)1 << 30;
  for (const unsigned char *at = bytes; size > 0;) {
    uint64_t some = size < most ? size : most;
    if (digest_functions[kind].add(state, at, (uint32_t)some) != 1) return false;
    at += some;
    size -= some;
  }
  return true;
}

bool digest_library_end(DigestKind kind, void *state, unsigned char *out) {
  return digest_functions[kind].end(out, state) == 1;
}

void digest_library_free(DigestKind kind, void *state) {
  (void)kind;
  memory_free(state);
}

#else

const char *digest_library_advice(void) {
  return "install OpenSSL's libcrypto 3 or 1.1 (Debian: libssl3; Alpine: libcrypto3; Fedora: "
         "openssl-libs)";
}

/* What is used of libcrypto, which is the same in 1.1 and 3. Source: openssl/evp.h. */
typedef struct DigestFunctions {
  void *(*context_new)(void);
  void (*context_free)(void *context);
  const void *(*sha256)(void);
  const void *(*sha1)(void);
  int (*begin)(void *context, const void *kind, void *engine);
  int (*add)(void *context, const void *bytes, size_t size);
  int (*end)(void *context, unsigned char *out, unsigned *size);
} DigestFunctions;

static DigestFunctions digest_functions;
static bool digest_is_found;

static bool digest_find_all(void *library) {
  DigestFunctions *functions = &digest_functions;
  return library_find(library, "EVP_MD_CTX_new", &functions->context_new) &&
         library_find(library, "EVP_MD_CTX_free", &functions->context_free) &&
         library_find(library, "EVP_sha256", &functions->sha256) &&
         library_find(library, "EVP_sha1", &functions->sha1) &&
         library_find(library, "EVP_DigestInit_ex", &functions->begin) &&
         library_find(library, "EVP_DigestUpdate", &functions->add) &&
         library_find(library, "EVP_DigestFinal_ex", &functions->end);
}

/* The library stays loaded as long as the process runs: it does not support being unloaded. */
static bool digest_load(void) {
  static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) continue;
    if (digest_find_all(library)) return true;
    dlclose(library);
  }
  return false;
}

bool digest_library_open(void) {
  process_lock_enter();
  if (!digest_is_found && digest_load()) digest_is_found = true;
  bool found = digest_is_found;
  process_lock_leave();
  return found;
}

bool digest_library_begin(DigestKind kind, void **state) {
  const DigestFunctions *functions = &digest_functions;
  *state = functions->context_new();
  return *state != NULL &&
         functions->begin(*state, kind == DIGEST_SHA256 ? functions->sha256() : functions->sha1(),
                          NULL) == 1;
}

bool digest_library_add(DigestKind kind, void *state, const void *bytes, uint64_t size) {
  (void)kind;
  return digest_functions.add(state, bytes, (size_t)size) == 1;
}

bool digest_library_end(DigestKind kind, void *state, unsigned char *out) {
  (void)kind;
  return digest_functions.end(state, out, NULL) == 1;
}

void digest_library_free(DigestKind kind, void *state) {
  (void)kind;
  if (state != NULL) digest_functions.context_free(state);
}

#endif
#endif
#endif
