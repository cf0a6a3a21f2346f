#include "base/proxy.h"

#include <string.h>

#include "base/environment.h"
#include "base/memory.h"
#include "base/sqlite.h"

bool proxy_is_exempt(const char *list, const char *host, size_t length) {
  if (length > 0 && host[length - 1] == '.') length--;
  for (const char *at = list + strspn(list, ", "); *at != '\0'; at += strspn(at, ", ")) {
    size_t size = strcspn(at, ", ");
    const char *name = at;
    at += size;
    if (size == 1 && *name == '*') return true;
    if (*name == '.') {
      name++;
      size--;
    }
    if (size > 0 && name[size - 1] == '.') size--;
    if (size == 0 || size > length) continue;
    if (sqlite3_strnicmp(host + length - size, name, (int)size) != 0) continue;
    if (size == length || host[length - size - 1] == '.') return true;
  }
  return false;
}

/* The first of the variables that is set. */
static bool proxy_first(const char *const *names, char **value) {
  *value = NULL;
  for (; *names != NULL && *value == NULL; names++) {
    if (!environment_find(*names, value)) return false;
  }
  return true;
}

bool proxy_find(const Url *url, char **proxy) {
  static const char *const exempt[] = {"no_proxy", "NO_PROXY", NULL};
  static const char *const secure[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                       NULL};
  static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
  char *list;
  *proxy = NULL;
  if (!proxy_first(exempt, &list)) return false;
  bool skipped = list != NULL && proxy_is_exempt(list, url->host, url->host_length);
  memory_free(list);
  return skipped || proxy_first(url->secure ? secure : plain, proxy);
}
