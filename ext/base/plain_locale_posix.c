#include "base/plain_locale.h"

#if !defined(_WIN32)
#include <locale.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

void plain_locale_enter(PlainLocale *locale) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc allocates nothing for this */
  locale->plain = (void *)plain;
  locale->host = plain != (locale_t)0 ? (void *)uselocale(plain) : NULL;
}

void plain_locale_leave(const PlainLocale *locale) {
  if (locale->plain == NULL) return;
  uselocale((locale_t)locale->host);
  freelocale((locale_t)locale->plain);
}

#endif
