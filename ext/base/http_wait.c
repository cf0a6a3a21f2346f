#include "base/http_wait.h"

#include <stdbool.h>
#include <string.h>

enum { HTTP_WAIT_MOST = 1 << 30 };

/* Reads digits, and sets *end behind them. -1 if there are none. */
static int64_t http_wait_number(const char *text, const char **end) {
  int64_t number = 0;
  *end = text;
  for (; **end >= '0' && **end <= '9'; ++*end) {
    if (number < HTTP_WAIT_MOST) number = number * 10 + (**end - '0');
  }
  return *end > text ? number : -1;
}

/* Days since 1970 of a day of the Gregorian calendar: Howard Hinnant's days_from_civil. */
static int64_t http_wait_days(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = year / 400, year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

static int64_t http_wait_month(const char *text) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int month = 0; month < 12; month++) {
    if (strncmp(text, names + 3 * (size_t)month, 3) == 0) return month + 1;
  }
  return 0;
}

/* Two digits and the byte behind them. */
static bool http_wait_two(const char **text, char behind, int64_t *number) {
  const char *at = *text;
  if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9' || at[2] != behind) return false;
  *number = (at[0] - '0') * 10 + (at[1] - '0');
  *text = at + 3;
  return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", as seconds since 1970, or -1. */
static int64_t http_wait_date(const char *text) {
  int64_t day, hour, minute, second, century, year;
  const char *at = strchr(text, ',');
  if (at == NULL || at[1] != ' ') return -1;
  at += 2;
  if (!http_wait_two(&at, ' ', &day)) return -1;
  int64_t month = http_wait_month(at);
  if (month == 0 || at[3] != ' ') return -1;
  at += 4;
  year = http_wait_number(at, &at);
  century = year; /* four digits */
  if (century < 1970 || century > 9999 || *at++ != ' ') return -1;
  if (!http_wait_two(&at, ':', &hour) || !http_wait_two(&at, ':', &minute) ||
      !http_wait_two(&at, ' ', &second) || strncmp(at, "GMT", 3) != 0) {
    return -1;
  }
  return http_wait_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

int64_t http_wait_retry_after(const char *text, int64_t now) {
  const char *end;
  int64_t seconds = http_wait_number(text, &end);
  if (seconds >= 0) return seconds;
  int64_t date = http_wait_date(text);
  if (date < 0) return -1;
  return date > now ? date - now : 0;
}

/* The number behind ";NAME=", on the same line. */
static int64_t http_wait_parameter(const char *text, char name) {
  for (const char *at = text; *at != '\0' && *at != '\r' && *at != '\n'; at++) {
    const char *end;
    if (at[0] == ';' && at[1 + strspn(at + 1, " ")] == name) {
      at += 1 + strspn(at + 1, " ");
      if (at[1] == '=') return http_wait_number(at + 2, &end);
    }
  }
  return -1;
}

int64_t http_wait_rate_limit(const char *text) {
  return http_wait_parameter(text, 'r') == 0 ? http_wait_parameter(text, 't') : -1;
}
