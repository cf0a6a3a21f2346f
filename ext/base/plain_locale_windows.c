#include "base/plain_locale.h"

#include "base/memory.h"

#if defined(_WIN32)
#include <locale.h>
#include <stddef.h>
#include <string.h>

/* A thread has a locale of its own only while it says so. `plain` says that it did not before, and
** `host` is the name of the one that it had. */
void plain_locale_enter(PlainLocale *locale) {
  static char shared;
  int before = _configthreadlocale(_ENABLE_PER_THREAD_LOCALE);
  const char *name = before == _ENABLE_PER_THREAD_LOCALE ? setlocale(LC_ALL, NULL) : NULL;
  locale->plain = before == _DISABLE_PER_THREAD_LOCALE ? &shared : NULL;
  locale->host = name != NULL ? memory_copy_text(name, strlen(name)) : NULL;
  if (locale->plain != NULL || locale->host != NULL) setlocale(LC_ALL, "C");
}

void plain_locale_leave(const PlainLocale *locale) {
  if (locale->plain != NULL) {
    _configthreadlocale(_DISABLE_PER_THREAD_LOCALE);
  } else if (locale->host != NULL) {
    setlocale(LC_ALL, locale->host);
    memory_free(locale->host);
  }
}

#endif
