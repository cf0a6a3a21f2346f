#include "base/digest.h"

#include "base/library.h"
#include "base/memory.h"
#include "base/threads.h"

#if defined(_WIN32)

#include <windows.h>

const char *digest_library_advice(void) {
  return "bcrypt.dll is a part of Windows";
}

/* What is used of bcrypt.dll. Statuses are 0 or more on success. Source: bcrypt.h. */
typedef struct DigestFunctions {
  LONG(WINAPI *open)(void **algorithm, const wchar_t *name, const wchar_t *provider, ULONG flags);
  LONG(WINAPI *begin)
  (void *algorithm, void **state, unsigned char *memory, ULONG memory_size, unsigned char *secret,
   ULONG secret_size, ULONG flags);
  LONG(WINAPI *add)(void *state, const unsigned char *bytes, ULONG size, ULONG flags);
  LONG(WINAPI *end)(void *state, unsigned char *out, ULONG size, ULONG flags);
  LONG(WINAPI *destroy)(void *state);
} DigestFunctions;

static DigestFunctions digest_functions;
static void *digest_algorithms[DIGEST_KIND_COUNT];
static bool digest_is_found;

static bool digest_load(void) {
  DigestFunctions *functions = &digest_functions;
  HMODULE library = LoadLibraryExW(L"bcrypt.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
  return library != NULL &&
         library_find(library, "BCryptOpenAlgorithmProvider", &functions->open) &&
         library_find(library, "BCryptCreateHash", &functions->begin) &&
         library_find(library, "BCryptHashData", &functions->add) &&
         library_find(library, "BCryptFinishHash", &functions->end) &&
         library_find(library, "BCryptDestroyHash", &functions->destroy) &&
         functions->open(&digest_algorithms[DIGEST_SHA256], L"SHA256", NULL, 0) >= 0 &&
         functions->open(&digest_algorithms[DIGEST_SHA1], L"SHA1", NULL, 0) >= 0;
}

bool digest_library_open(void) {
  process_lock_enter();
  if (!digest_is_found && digest_load()) digest_is_found = true;
  bool found = digest_is_found;
  process_lock_leave();
  return found;
}

bool digest_library_begin(DigestKind kind, void **state) {
  *state = NULL;
  return digest_functions.begin(digest_algorithms[kind], state, NULL, 0, NULL, 0, 0) >= 0;
}

bool digest_library_add(DigestKind kind, void *state, const void *bytes, uint64_t size) {
  (void)kind;
  const uint64_t most = (uint64_t)1 << 30;
  for (const unsigned char *at = bytes; size > 0;) {
    uint64_t some = size < most ? size : most;
    if (digest_functions.add(state, at, (ULONG)some, 0) < 0) return false;
    at += some;
    size -= some;
  }
  return true;
}

bool digest_library_end(DigestKind kind, void *state, unsigned char *out) {
  return digest_functions.end(state, out, digest_size(kind), 0) >= 0;
}

void digest_library_free(DigestKind kind, void *state) {
  (void)kind;
  if (state != NULL) digest_functions.destroy(state);
}
#endif
