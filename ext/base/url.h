/* Addresses of the web: http:// and https:// (RFC 3986). */
#ifndef SAFETENSORS_BASE_URL_H
#define SAFETENSORS_BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts of an address. The pointers lead into the text that was parsed. */
typedef struct Url {
  bool secure;      /* https */
  const char *host; /* without the brackets of an IPv6 address */
  size_t host_length;
  uint16_t port;    /* 443 or 80 if none is given */
  const char *path; /* '/', '?' or the end of the text; what follows '#' belongs to it */
} Url;

/* False if it is no such address, or contains a user's name, a control character or a space; or if its host is not written as
** everybody reads it: a name of letters, digits, '-' and '_', four decimal numbers, or an IPv6 address without a zone. */
bool url_parse(const char *text, Url *url);

/* Whether two addresses lead to the same scheme, host and port: who may see what is secret between
** them. Both must be good addresses. */
bool url_same_origin(const char *a, const char *b);

/* Whether the host is that text, whatever the case of its letters. */
bool url_host_is(const Url *url, const char *host);

/* The address that `reference` means on the page `base`: an address of its own, "//HOST/PATH", "/PATH",
** "PATH" or "?QUERY", with "." and ".." removed (RFC 3986, 5.2). memory_free() releases it. NULL if
** memory runs out. Any text is allowed, so the result has to be parsed. */
char *url_join(const char *base, const char *reference);

/* Writes `text` with everything but letters, digits and "-._~" as %XX, and also '/' unless
** `keep_slashes` is set. memory_free() releases it. NULL if memory runs out. */
char *url_escape(const char *text, bool keep_slashes);

/* What a hexadecimal digit stands for, or -1. */
int url_hex_digit(char byte);

#endif
