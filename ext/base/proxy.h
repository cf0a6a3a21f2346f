/* Which proxy the environment names for an address, as curl reads it: http_proxy, HTTPS_PROXY or https_proxy,
** ALL_PROXY or all_proxy, and NO_PROXY or no_proxy. */
#ifndef SAFETENSORS_BASE_PROXY_H
#define SAFETENSORS_BASE_PROXY_H

#include <stdbool.h>

#include "base/url.h"

/* Sets *proxy to its address, or to NULL if there is none. memory_free() releases it. False if memory
** runs out. HTTP_PROXY in capitals is not read, because a web server's programs get it from requests. */
bool proxy_find(const Url *url, char **proxy);

/* Whether a list as in NO_PROXY names this host: "*", or names separated by commas or spaces, each of
** which also means all names that end with a dot and it. */
bool proxy_is_exempt(const char *list, const char *host, size_t length);

#endif
