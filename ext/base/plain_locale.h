/*
** The locale in which a decimal point is a point. jansson reads real numbers with the C library's
** strtod(), in the locale that the host has set; where that locale's point has several bytes, as in
** Pashto, jansson ends the process.
*/
#ifndef SAFETENSORS_BASE_PLAIN_LOCALE_H
#define SAFETENSORS_BASE_PLAIN_LOCALE_H

typedef struct PlainLocale {
  void *plain, *host; /* the system's */
} PlainLocale;

/* Sets the C locale for this thread alone. */
void plain_locale_enter(PlainLocale *locale);

/* Gives the thread its own locale back. */
void plain_locale_leave(const PlainLocale *locale);

#endif
