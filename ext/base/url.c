#include "base/url.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"

enum { URL_MAX_PORT = 65535 };

static bool url_is_plain(const char *text) {
  for (const char *at = text; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    if (byte <= ' ' || byte == 0x7f || byte == '\\') return false;
  }
  return true;
}

/* Reads ":PORT" up to `end`. A port that is empty is the usual one. */
static bool url_parse_port(const char *text, const char *end, uint16_t *port) {
  uint32_t number = 0;
  if (text == end) return true;
  if (*text++ != ':') return false;
  if (text == end) return true;
  for (; text < end; text++) {
    if (*text < '0' || *text > '9') return false;
    number = number * 10 + (uint32_t)(*text - '0');
    if (number > URL_MAX_PORT) return false;
  }
  *port = (uint16_t)number;
  return number > 0;
}

/* Whether the characters between brackets can be those of an IPv6 address. One with a zone is not taken: it names a network
** card of this machine. */
static bool url_is_plain_v6(const char *host, size_t length) {
  static const char digits[] = "0123456789abcdefABCDEF:.";
  return memchr(host, ':', length) != NULL && strspn(host, digits) >= length;
}

/* Whether a name ends with a number, so that programs take it for an IPv4 address, in one of its many forms: 127.1,
** 0x7f000001, 017700000001. Only the usual one is taken, in which everybody reads the same. */
static bool url_is_odd_v4(const char *host, size_t length) {
  size_t last = length, dots = 0;
  if (last > 0 && host[last - 1] == '.') last--;
  while (last > 0 && host[last - 1] != '.') last--;
  if (host[last] < '0' || host[last] > '9') return false;
  bool hexadecimal = last + 1 < length && host[last] == '0' && (host[last + 1] | 0x20) == 'x';
  size_t digits = strspn(host + last, "0123456789");
  if (!hexadecimal && digits < length - last && host[last + digits] != '.') return false;
  for (size_t at = 0; at < length; dots++) {
    size_t size = strspn(host + at, "0123456789");
    if (size == 0 || size > 3 || (size > 1 && host[at] == '0')) return true;
    at += size;
    if (at < length && (host[at++] != '.' || at == length)) return true;
  }
  return dots != 4;
}

/* A name of letters, digits, '-' and '_' between dots. Names in other scripts are written as "xn--..." in addresses. */
static bool url_is_plain_host(const char *host, size_t length) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (length == 0 || host[0] == '.' || strspn(host, letters) < length) return false;
  for (size_t i = 1; i < length; i++) {
    if (host[i] == '.' && host[i - 1] == '.') return false;
  }
  return !url_is_odd_v4(host, length);
}

bool url_parse(const char *text, Url *url) {
  if (!url_is_plain(text)) return false;
  bool secure = sqlite3_strnicmp(text, "https://", 8) == 0;
  if (!secure && sqlite3_strnicmp(text, "http://", 7) != 0) return false;
  const char *host = text + (secure ? 8 : 7), *end = host + strcspn(host, "/?#");
  *url = (Url){.secure = secure, .host = host, .port = secure ? 443 : 80, .path = end};
  if (memchr(host, '@', (size_t)(end - host)) != NULL) return false;
  const char *behind;
  if (*host == '[') {
    const char *close = memchr(host, ']', (size_t)(end - host));
    if (close == NULL) return false;
    url->host++;
    url->host_length = (size_t)(close - url->host);
    behind = close + 1;
    if (!url_is_plain_v6(url->host, url->host_length)) return false;
  } else {
    const char *colon = memchr(host, ':', (size_t)(end - host));
    behind = colon != NULL ? colon : end;
    url->host_length = (size_t)(behind - host);
    if (!url_is_plain_host(host, url->host_length)) return false;
  }
  return url_parse_port(behind, end, &url->port);
}

bool url_host_is(const Url *url, const char *host) {
  return url->host_length == strlen(host) &&
         sqlite3_strnicmp(url->host, host, (int)url->host_length) == 0;
}

bool url_same_origin(const char *a, const char *b) {
  Url one, other;
  return url_parse(a, &one) && url_parse(b, &other) && one.secure == other.secure &&
         one.port == other.port && one.host_length == other.host_length &&
         sqlite3_strnicmp(one.host, other.host, (int)one.host_length) == 0;
}

/* ---- References ---- */

/* Whether the text begins with a scheme and a colon. */
static bool url_has_scheme(const char *text) {
  size_t length = strcspn(text, ":/?#");
  return length > 0 && text[length] == ':';
}

/* Takes the last component, with its '/', off what is written from `root` to `end`. */
static char *url_drop_component(const char *root, char *end) {
  while (end > root && end[-1] != '/') end--;
  return end > root ? end - 1 : end;
}

/* Removes "." and ".." from the path that begins at `root`, in place (RFC 3986, 5.2.4). */
static void url_remove_dots(char *root) {
  char *out = root;
  const char *in = root;
  while (*in == '/') {
    size_t length = strcspn(in + 1, "/?#");
    bool last = in[1 + length] != '/';
    if (length == 1 && in[1] == '.') {
      if (last) *out++ = '/';
    } else if (length == 2 && in[1] == '.' && in[2] == '.') {
      out = url_drop_component(root, out);
      if (last) *out++ = '/';
    } else {
      memmove(out, in, length + 1);
      out += length + 1;
    }
    in += length + 1;
  }
  memmove(out, in, strlen(in) + 1);
}

char *url_join(const char *base, const char *reference) {
  size_t scheme = strcspn(base, ":"), kept;
  const char *slashes = "";
  size_t root = scheme + (strncmp(base + scheme, "://", 3) == 0 ? 3 : 0);
  root += strcspn(base + root, "/?#"); /* where the path begins */
  if (url_has_scheme(reference)) return memory_copy_text(reference, strlen(reference));
  if (strncmp(reference, "//", 2) == 0) {
    kept = scheme + (base[scheme] == ':');
    root = kept + 2 + strcspn(reference + 2, "/?#");
  } else if (reference[0] == '/') {
    kept = root;
  } else if (reference[0] == '?' || reference[0] == '#' || reference[0] == '\0') {
    kept = root + strcspn(base + root, reference[0] == '?' ? "?#" : "#");
  } else {
    kept = root + strcspn(base + root, "?#");
    while (kept > root && base[kept - 1] != '/') kept--;
    if (kept == root) slashes = "/";
  }
  size_t length = strlen(reference), between = strlen(slashes);
  char *joined = memory_alloc(kept + between + length + 1);
  if (joined == NULL) return NULL;
  memcpy(joined, base, kept);
  memcpy(joined + kept, slashes, between);
  memcpy(joined + kept + between, reference, length + 1);
  url_remove_dots(joined + root);
  return joined;
}

char *url_escape(const char *text, bool keep_slashes) {
  static const char digits[] = "0123456789ABCDEF";
  uint64_t length = strlen(text);
  char *escaped = memory_alloc(3 * length + 1), *out = escaped;
  if (escaped == NULL) return NULL;
  for (const char *at = text; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (letter || strchr("0123456789-._~", byte) != NULL || (byte == '/' && keep_slashes)) {
      *out++ = *at;
    } else {
      *out++ = '%';
      *out++ = digits[byte >> 4];
      *out++ = digits[byte & 0xf];
    }
  }
  *out = '\0';
  return escaped;
}

int url_hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}
