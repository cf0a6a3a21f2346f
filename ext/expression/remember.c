#include "expression/remember.h"

#include <string.h>

#include "base/memory.h"
#include "expression/identity.h"

enum { REMEMBER_MOST = 64 };

/* What the session keeps. */
typedef struct Passes {
  Remembered kept[REMEMBER_MOST];
  uint64_t uses;
} Passes;

void remember_clear(Remembered *remembered) {
  key_clear(&remembered->key);
  *remembered = (Remembered){0};
}

static void passes_free(void *guest) {
  Passes *passes = guest;
  for (unsigned i = 0; i < REMEMBER_MOST; i++) remember_clear(&passes->kept[i]);
  memory_free(passes);
}

bool remember_find(const Plan *plan, const Node *node, Remembered *remembered) {
  Passes *passes = session_passes(plan->session)->guest;
  *remembered = (Remembered){0};
  if (!identity_put_node(&remembered->key, plan, node, false)) key_clear(&remembered->key);
  for (unsigned i = 0; passes != NULL && i < REMEMBER_MOST; i++) {
    Remembered *kept = &passes->kept[i];
    if (!key_equals(&kept->key, &remembered->key)) continue;
    kept->used = ++passes->uses;
    memcpy(remembered->numbers, kept->numbers, sizeof kept->numbers);
    return true;
  }
  return false;
}

void remember_keep(const Plan *plan, Remembered *remembered) {
  SessionGuest *guest = session_passes(plan->session);
  if (remembered->key.length > 0 && guest->guest == NULL) {
    guest->guest = memory_zeroed(1, sizeof(Passes));
    guest->release = passes_free;
  }
  Passes *passes = guest->guest;
  if (remembered->key.length > 0 && passes != NULL) {
    Remembered *oldest = &passes->kept[0];
    for (unsigned i = 1; i < REMEMBER_MOST; i++) {
      if (passes->kept[i].used < oldest->used) oldest = &passes->kept[i];
    }
    remember_clear(oldest);
    *oldest = *remembered;
    oldest->used = ++passes->uses;
    *remembered = (Remembered){0};
  }
  remember_clear(remembered);
}
