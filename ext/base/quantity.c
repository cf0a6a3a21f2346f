#include "base/quantity.h"

#include <math.h>
#include <stdio.h>

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
  if (fabs(scaled) >= 1e6) { /* beyond the prefixes */
    snprintf(out, QUANTITY_SIZE, "%.2e%s%s", value, unit[0] == '\0' ? "" : " ", unit);
  } else {
    snprintf(out, QUANTITY_SIZE, "%.*f%s%s%s", decimals, scaled, space, prefixes[prefix], unit);
  }
}
