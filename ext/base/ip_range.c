#include "base/ip_range.h"

#include <stdint.h>
#include <string.h>

#include "base/sqlite.h"
#include "base/url.h"

/* ---- Ranges ---- */

typedef struct IpRange {
  unsigned char bytes[IP_V6_SIZE];
  unsigned bits; /* that all its addresses share */
} IpRange;

static bool ip_in_range(const unsigned char *address, const IpRange *range) {
  unsigned whole = range->bits / 8, rest = range->bits % 8;
  if (memcmp(address, range->bytes, whole) != 0) return false;
  return rest == 0 || (address[whole] ^ range->bytes[whole]) >> (8 - rest) == 0;
}

static bool ip_v4_is_special(const unsigned char *address) {
  static const IpRange ranges[] = {
      {{0}, 8},
      {{10}, 8},
      {{100, 64}, 10},
      {{127}, 8},
      {{169, 254}, 16},
      {{172, 16}, 12},
      {{192, 0, 0}, 24},
      {{192, 0, 2}, 24},
      {{192, 88, 99}, 24},
      {{192, 168}, 16},
      {{198, 18}, 15},
      {{198, 51, 100}, 24},
      {{203, 0, 113}, 24},
      {{224}, 3}, /* multicast, and reserved */
  };
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    if (ip_in_range(address, &ranges[i])) return true;
  }
  return false;
}

static bool ip_v6_is_special(const unsigned char *address) {
  static const IpRange embedding[] = {
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, /* mapped */
      {{0, 0x64, 0xff, 0x9b}, 96},                      /* NAT64 */
  };
  static const IpRange six_to_four = {{0x20, 0x02}, 16};
  static const IpRange global = {{0x20}, 3}; /* all that has been given out */
  static const IpRange ranges[] = {
      {{0x20, 0x01}, 23}, /* protocols, Teredo among them */
      {{0x20, 0x01, 0x0d, 0xb8}, 32},
      {{0x3f, 0xff}, 20}, /* documentation */
  };
  for (size_t i = 0; i < sizeof embedding / sizeof embedding[0]; i++) {
    if (ip_in_range(address, &embedding[i])) return ip_v4_is_special(address + 12);
  }
  if (ip_in_range(address, &six_to_four)) return ip_v4_is_special(address + 2);
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    if (ip_in_range(address, &ranges[i])) return true;
  }
  return !ip_in_range(address, &global);
}

bool ip_is_special(const unsigned char *address, size_t size) {
  if (size == IP_V4_SIZE) return ip_v4_is_special(address);
  return size != IP_V6_SIZE || ip_v6_is_special(address);
}

/* ---- Texts ---- */

static size_t ip_parse_v4(const char *text, size_t length, unsigned char *address) {
  size_t at = 0;
  for (unsigned part = 0; part < IP_V4_SIZE; part++) {
    unsigned number = 0, digits = 0;
    if (part > 0 && (at >= length || text[at++] != '.')) return 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9' && digits < 4; at++, digits++) {
      number = number * 10 + (unsigned)(text[at] - '0');
    }
    if (digits == 0 || digits > 3 || number > 255) return 0;
    address[part] = (unsigned char)number;
  }
  return at == length ? IP_V4_SIZE : 0;
}

/* Groups of 16 bits; those left out for "::" are put in at the end. The last two may be an IPv4 address. */
static size_t ip_parse_v6(const char *text, size_t length, unsigned char *address) {
  size_t at = 0, size = 0, gap = IP_V6_SIZE + 1;
  memset(address, 0, IP_V6_SIZE);
  if (length >= 2 && text[0] == ':' && text[1] == ':') {
    gap = 0;
    at = 2;
  }
  while (at < length) {
    size_t colon = at;
    while (colon < length && text[colon] != ':') colon++;
    if (memchr(text + at, '.', colon - at) != NULL) {
      if (size + IP_V4_SIZE > IP_V6_SIZE || colon != length) return 0;
      if (ip_parse_v4(text + at, length - at, address + size) == 0) return 0;
      size += IP_V4_SIZE;
      break;
    }
    unsigned group = 0;
    if (colon == at || colon - at > 4 || size + 2 > IP_V6_SIZE) return 0;
    for (; at < colon; at++) {
      int digit = url_hex_digit(text[at]);
      if (digit < 0) return 0;
      group = group << 4 | (unsigned)digit;
    }
    address[size++] = (unsigned char)(group >> 8);
    address[size++] = (unsigned char)group;
    if (at == length) break;
    if (++at == length) return 0; /* a colon at the end */
    if (text[at] == ':') {
      if (gap <= IP_V6_SIZE) return 0;
      gap = size;
      at++;
    }
  }
  if (gap > IP_V6_SIZE) return size == IP_V6_SIZE ? IP_V6_SIZE : 0;
  if (size == IP_V6_SIZE) return 0;
  memmove(address + IP_V6_SIZE - (size - gap), address + gap, size - gap);
  memset(address + gap, 0, IP_V6_SIZE - size);
  return IP_V6_SIZE;
}

size_t ip_parse(const char *text, size_t length, unsigned char *address) {
  const char *zone = memchr(text, '%', length);
  if (memchr(text, ':', length) == NULL) return ip_parse_v4(text, length, address);
  return ip_parse_v6(text, zone != NULL ? (size_t)(zone - text) : length, address);
}

/* "localhost", and names below it (RFC 6761, 6.3), perhaps with the dot of the root. */
static bool ip_is_localhost(const char *host, size_t length) {
  static const char name[] = "localhost";
  const size_t size = sizeof name - 1;
  if (length > 0 && host[length - 1] == '.') length--;
  if (length < size || sqlite3_strnicmp(host + length - size, name, (int)size) != 0) return false;
  return length == size || host[length - size - 1] == '.';
}

static bool ip_is_loopback(const unsigned char *address, size_t size) {
  static const unsigned char one[IP_V6_SIZE] = {[IP_V6_SIZE - 1] = 1};
  static const IpRange mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127}, 104};
  if (size == IP_V4_SIZE) return address[0] == 127;
  return size == IP_V6_SIZE && (memcmp(address, one, size) == 0 || ip_in_range(address, &mapped));
}

bool ip_host_is_loopback(const char *host, size_t length) {
  unsigned char address[IP_V6_SIZE] = {0};
  return ip_is_localhost(host, length) || ip_is_loopback(address, ip_parse(host, length, address));
}

bool ip_host_is_special(const char *host, size_t length) {
  unsigned char address[IP_V6_SIZE];
  size_t size = ip_parse(host, length, address);
  return ip_is_localhost(host, length) || (size > 0 && ip_is_special(address, size));
}
