/*
** Doubles as text: the shortest decimal that reads back, the closest of those, in Python's layout.
**
**     decimal            run the tests
**     decimal --format   write each double on standard input, 8 bytes of this machine, as a line
**
** Each number's text is checked against the definition, with the C library's correctly rounded
** strtod() and printf(): it reads back as the same number; no decimal with one digit less does; and
** no other with as many digits is closer. These three leave no choice but between two equally
** close.
*/
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/decimal.h"
#include "tensor/value.h"

enum { SHOWN_DIFFERENCES = 5 };

static int passed, failed, differences;

static void expect(bool good, double value, const char *text, const char *what) {
  if (good || ++differences > SHOWN_DIFFERENCES) return;
  printf("    %a: %s: %s\n", value, text, what);
}

static void test_done(const char *title) {
  if (differences == 0) {
    passed++;
  } else {
    failed++;
    printf("FAIL %s: %d differences\n", title, differences);
  }
  differences = 0;
}

/* ---- Known texts, as Python 3 prints them ---- */

static const struct {
  double value;
  const char *text;
} known[] = {
    {0, "0.0"},
    {-0., "-0.0"},
    {1, "1.0"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {0x1.99999ap-4, "0.10000000149011612"},
    {1e-4, "0.0001"},
    {0.00012345, "0.00012345"},
    {1e-5, "1e-05"},
    {1e-7, "1e-07"},
    {9.5e-5, "9.5e-05"},
    {100, "100.0"},
    {123456789, "123456789.0"},
    {1e15, "1000000000000000.0"},
    {9999999999999998, "9999999999999998.0"},
    {1e16, "1e+16"},
    {12345678901234567890., "1.2345678901234567e+19"},
    {1e22, "1e+22"},
    {1e23, "1e+23"},
    {9007199254740991, "9007199254740991.0"},
    {9007199254740992, "9007199254740992.0"},
    {9007199254740994, "9007199254740994.0"},
    {5e-324, "5e-324"},
    {1.5e-323, "1.5e-323"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {2.225073858507201e-308, "2.225073858507201e-308"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {-1.7976931348623157e308, "-1.7976931348623157e+308"},
    {1e100, "1e+100"},
    {1e-100, "1e-100"},
    {2e-44, "2e-44"},
    {0x1p-44, "5.684341886080802e-14"},
    {0x1p-1022, "2.2250738585072014e-308"},
    {0x1p89, "6.189700196426902e+26"},
    {0x1p50 + 0.25, "1125899906842624.2"},
    {0x1p50 + 0.75, "1125899906842624.8"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {65504, "65504.0"},
    {0x1p-24, "5.960464477539063e-08"},
    {(double)3.4028234663852886e38f, "3.4028234663852886e+38"},
};

static void test_known(void) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    char text[DECIMAL_SIZE];
    int length = decimal_format(known[i].value, text);
    expect(strcmp(text, known[i].text) == 0, known[i].value, text, known[i].text);
    expect(length == (int)strlen(text), known[i].value, text, "not the length");
  }
  test_done("known texts");
}

/* ---- The definition ---- */

/* The text's digits without zeros at either end, and the power of ten of the last one. */
static int significant(const char *text, char digits[DECIMAL_SIZE], int *exponent) {
  int count = 0;
  bool point = false;
  *exponent = 0;
  for (text += *text == '-'; *text != '\0' && *text != 'e'; text++) {
    if (*text == '.') {
      point = true;
      continue;
    }
    if (count > 0 || *text != '0') digits[count++] = *text;
    *exponent -= point;
  }
  if (*text == 'e') *exponent += atoi(text + 1);
  for (; count > 0 && digits[count - 1] == '0'; count--) ++*exponent;
  digits[count] = '\0';
  return count;
}

/* Whether some decimal of `count` digits reads back as the value: of the two around it. */
static bool has_decimal(double value, int count) {
  char text[64];
  snprintf(text, sizeof text, "%.*e", count - 1, value);
  if (strtod(text, NULL) == value) return true;
  /* The one on the other side: one more or less in the last digit. */
  char digits[DECIMAL_SIZE];
  int exponent;
  significant(text, digits, &exponent);
  for (int length = (int)strlen(digits); length < count; length++, exponent--) {
    digits[length] = '0';
    digits[length + 1] = '\0';
  }
  long long number = atoll(digits);
  for (int step = -1; step <= 1; step += 2) {
    snprintf(text, sizeof text, "%llde%d", number + step, exponent);
    if (strtod(text, NULL) == value) return true;
  }
  return false;
}

/* The exact distance would take long numbers. But the correctly rounded decimal of as many digits
** is the closest of all; so if it reads back, it must be the text, and a tie must be even. */
static bool is_closest(double value, const char *digits, int count) {
  char text[64], rounded[DECIMAL_SIZE];
  int exponent;
  snprintf(text, sizeof text, "%.*e", count - 1, value);
  if (strtod(text, NULL) != value) return true; /* then there is one candidate, on the other side */
  significant(text, rounded, &exponent);
  return strcmp(rounded, digits) == 0;
}

static bool layout_is_python(double value, const char *text) {
  bool scientific = strchr(text, 'e') != NULL;
  double size = fabs(value);
  if (scientific != (size < 1e-4 || size >= 1e16)) return false;
  const char *point = strchr(text, '.');
  if (!scientific && (point == NULL || point[1] == '\0')) return false;
  const char *last = scientific ? strchr(text, 'e') - 1 : text + strlen(text) - 1;
  if (*last == '0' && (scientific ? point != NULL : last - point > 1)) return false;
  return strspn(text, "-0123456789.e+") == strlen(text);
}

static void check(double value) {
  if (!isfinite(value) || value == 0) return;
  char text[DECIMAL_SIZE], digits[DECIMAL_SIZE];
  int exponent, length = decimal_format(value, text);
  expect(length == (int)strlen(text) && length <= 24, value, text, "wrong length");
  expect(strtod(text, NULL) == value, value, text, "does not read back");
  expect(layout_is_python(value, text), value, text, "not Python's layout");
  int count = significant(text, digits, &exponent);
  expect(count == 1 || !has_decimal(fabs(value), count - 1), value, text, "not the shortest");
  expect(is_closest(fabs(value), digits, count), value, text, "not the closest");
}

static void check_around(double value) {
  check(value);
  check(double_from_bits(double_bits(value) + 1));
  if (double_bits(value) != 0) check(double_from_bits(double_bits(value) - 1));
}

/* ---- Which numbers ---- */

static uint64_t random_state = 1;

/* SplitMix64 (Sebastiano Vigna, public domain). */
static uint64_t random_next(void) {
  uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

static void test_powers(void) {
  for (uint64_t exponent = 0; exponent < 2047; exponent++) {
    check_around(double_from_bits(exponent << 52));
  }
  for (int bit = 0; bit < 52; bit++) check_around(double_from_bits(UINT64_C(1) << bit));
  test_done("powers of two and their neighbours");
  for (int exponent = -323; exponent <= 308; exponent++) {
    char text[16];
    snprintf(text, sizeof text, "1e%d", exponent);
    check_around(strtod(text, NULL));
    text[0] = '5';
    if (exponent < 308) check_around(strtod(text, NULL));
  }
  test_done("powers of ten and their neighbours");
}

static void test_random(void) {
  for (int i = 0; i < 150000; i++) check(double_from_bits(random_next()));
  test_done("random bits");
  for (int i = 0; i < 150000; i++) check(float_from_bits((uint32_t)random_next()));
  test_done("random F32");
  for (int i = 0; i < 50000; i++) check((double)(float)((double)(int64_t)random_next() * 0x1p-67));
  test_done("F32 of the size of weights");
  for (int i = 0; i < 50000; i++) check((double)(int64_t)random_next());
  test_done("large integers");
  for (int i = 0; i < 50000; i++) check((double)(int64_t)(random_next() >> (11 + i % 50)));
  test_done("integers");
  for (int i = 0; i < 50000; i++) check((double)(random_next() >> 10) * 0.125);
  test_done("eighths, among them ties between two decimals");
  for (int i = 0; i < 50000; i++) check((double)(int64_t)(random_next() % 2000000) / 1000 - 1000);
  test_done("few decimal places");
  for (int i = 0; i < 20000; i++) check(double_from_bits(random_next() >> (12 + i % 52)));
  test_done("subnormals");
}

static void test_halves(void) {
  for (uint32_t code = 0; code < 65536; code++) {
    check(float_widen(code, float_format(DTYPE_F16)));
    check(float_from_bits(code << 16));
  }
  test_done("every F16 and BF16");
}

static void test_locale(void) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
  bool found = false;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
    found = setlocale(LC_NUMERIC, names[i]) != NULL;
  }
  if (!found) printf("skipped: a locale with a decimal comma (none is installed)\n");
  test_known();
  setlocale(LC_NUMERIC, "C");
}

static int format_input(void) {
  double value;
  while (fread(&value, sizeof value, 1, stdin) == 1) {
    char text[DECIMAL_SIZE];
    decimal_format(value, text);
    puts(text);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--format") == 0) return format_input();
  test_known();
  test_locale();
  test_powers();
  test_halves();
  test_random();
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
