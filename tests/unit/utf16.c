/* UTF-16 against iconv(), and surrogates without a partner against the specification of WTF-8. */
#include "base/utf16.h"

#include <iconv.h>

#include "program.h"

enum { MOST = 0x110000 };

static void check_character(iconv_t converter, uint32_t character) {
  char expected[8], text[8], *out = expected;
  char bytes[] = {(char)character, (char)(character >> 8), (char)(character >> 16), 0};
  uint16_t units[8];
  char *in = bytes;
  size_t left = sizeof bytes, room = sizeof expected;
  if (iconv(converter, &in, &left, &out, &room) == (size_t)-1) stop("iconv");
  *out = '\0';
  if (!utf16_from_text(expected, units)) {
    check(0, "a character is refused");
    return;
  }
  size_t length = units[1] != 0 ? 2 : 1;
  if (length != (character >= 0x10000 ? 2 : 1) ||
      utf16_to_text(units, length, text) != strlen(expected) || strcmp(text, expected) != 0) {
    check(0, "a character becomes another one");
  }
}

static void check_units(void) {
  static const uint16_t expected[] = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0};
  uint16_t units[16];
  check(utf16_from_text("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", units) &&
            memcmp(units, expected, sizeof expected) == 0,
        "the units of a, e acute, euro, grinning face");
}

static void check_lone(void) {
  static const uint16_t lone[] = {0xdc00, 'b', 0xd800};
  char text[16];
  uint16_t units[16];
  check(utf16_to_text(lone, 3, text) == 7 && strcmp(text,
                                                    "\xed\xb0\x80"
                                                    "b\xed\xa0\x80") == 0,
        "lone surrogates are three bytes each");
  check(utf16_from_text(text, units) && memcmp(units, lone, sizeof lone) == 0, "and come back");
}

static void check_refused(void) {
  static const char *const bad[] = {"\x80",
                                    "\xc3",
                                    "\xc3(",
                                    "\xc0\xaf",
                                    "\xe0\x80\xaf",
                                    "\xf0\x80\x80\xaf",
                                    "\xf4\x90\x80\x80",
                                    "\xff",
                                    "a\xe2\x82"};
  uint16_t units[16];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    check(!utf16_from_text(bad[i], units), "a text that is not UTF-8");
  }
}

int main(void) {
  iconv_t converter = iconv_open("UTF-8", "UTF-32LE");
  if (converter == (iconv_t)-1) stop("iconv_open");
  for (uint32_t character = 1; character < MOST; character++) {
    if (character < 0xd800 || character >= 0xe000) check_character(converter, character);
  }
  iconv_close(converter);
  check_units();
  check_lone();
  check_refused();
  return finish();
}
