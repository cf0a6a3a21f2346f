/* How long a server asks to be left alone. */
#ifndef SAFETENSORS_BASE_HTTP_WAIT_H
#define SAFETENSORS_BASE_HTTP_WAIT_H

#include <stdint.h>

/* The seconds of a Retry-After (RFC 9110, 10.2.3): a number, or a date, of which `now` (seconds since 1970)
** is subtracted. At least 0; -1 if it is neither. `text` ends with a NUL or a line ending. */
int64_t http_wait_retry_after(const char *text, int64_t now);

/* The seconds until a quota that is used up is filled again, by the header RateLimit: "NAME";r=0;t=SECONDS
** (draft-ietf-httpapi-ratelimit-headers). -1 if it does not say, or if something is left. */
int64_t http_wait_rate_limit(const char *text);

#endif
