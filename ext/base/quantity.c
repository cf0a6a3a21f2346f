#include "base/quantity.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

/* Copies a number, NUL included, and writes a point where the locale has a decimal point of its
** own, of any length. */
static size_t quantity_copy_number(char *out, const char *number) {
  size_t length = 0;
  for (const char *at = number; *at != '\0'; at++) {
    bool plain = (*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == 'e';
    if (plain) {
      out[length++] = *at;
    } else if (length > 0 && out[length - 1] != '.') {
      out[length++] = '.';
    }
  }
  out[length] = '\0';
  return length;
}

void quantity_format(char *out, double value, const char *unit) {
  static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  unsigned prefix = 0;
  double scaled = value;
  while (fabs(scaled) >= 999.5 && prefix + 1 < sizeof prefixes / sizeof prefixes[0]) {
    scaled /= 1000;
    prefix++;
  }
  int decimals = fabs(scaled) >= 99.95 ? 0 : fabs(scaled) >= 9.995 ? 1 : 2;
  if (prefix == 0 && scaled == floor(scaled)) decimals = 0;
  const char *space = prefix == 0 && unit[0] == '\0' ? "" : " ";
  bool beyond = fabs(scaled) >= 1e6; /* the prefixes */
  char number[QUANTITY_SIZE];
  if (beyond) {
    snprintf(number, sizeof number, "%.2e", value);
  } else {
    snprintf(number, sizeof number, "%.*f", decimals, scaled);
  }
  size_t length = quantity_copy_number(out, number);
  if (beyond) space = unit[0] == '\0' ? "" : " ";
  snprintf(out + length, QUANTITY_SIZE - length, "%s%s%s", space, beyond ? "" : prefixes[prefix],
           unit);
}
