/* Texts that were packed by hand, after the form in program/packed_text.h, and what is not one. */
#include "program/packed_text.h"
#include "program.h"

static void test_text(const char *before, const char *packed, size_t size, const char *text) {
  PackedText given = {(const unsigned char *)packed, size, strlen(text)};
  const char *found = packed_text_unpack(given, before, strlen(before));
  check(found != NULL && strcmp(found, text) == 0, text);
}

static void test_damaged(const char *packed, size_t size, size_t length, const char *what) {
  PackedText given = {(const unsigned char *)packed, size, length};
  check(packed_text_unpack(given, NULL, 0) == NULL, what);
}

#define TEXT(packed, text)               test_text("", packed, sizeof(packed) - 1, text)
#define TEXT_AFTER(before, packed, text) test_text(before, packed, sizeof(packed) - 1, text)
#define DAMAGED(packed, length, what)    test_damaged(packed, sizeof(packed) - 1, length, what)

int main(void) {
  TEXT("", "");
  TEXT(
      "\x30"
      "abc",
      "abc");
  TEXT(
      "\xf0\x05"
      "abcdefghijklmnopqrst",
      "abcdefghijklmnopqrst"); /* 15 + 5 literals */
  TEXT(
      "\x61"
      "abcdef"
      "\x06\x10"
      "!",
      "abcdefabcdef!"); /* a match of 1 + 5 */
  TEXT(
      "\x12"
      "a"
      "\x01\x10"
      "b",
      "aaaaaaaab"); /* one that goes on in itself */
  TEXT(
      "\x2f"
      "ab"
      "\x02\x01\x00",
      "ababababababababababab"
      "a"); /* 15 + 1 + 5 of them */
  TEXT_AFTER("before ",
             "\x01\x07"
             "\x10"
             "!",
             "before!"); /* a match of 1 + 5 in what is before it */
  TEXT_AFTER("xab",
             "\x04\x02"
             "\x10"
             "!",
             "ababababa!"); /* one that begins there and goes on in itself */
  DAMAGED(
      "\x30"
      "ab",
      3, "fewer literals than it says");
  DAMAGED(
      "\x30"
      "abc",
      2, "more than the text has");
  DAMAGED(
      "\x30"
      "abc",
      4, "less than the text has");
  DAMAGED(
      "\x30"
      "abc\x04\x00",
      8, "a match from before the text");
  DAMAGED(
      "\x30"
      "abc\x00\x00",
      8, "a match of itself");
  DAMAGED(
      "\x34"
      "abc\x01\x00",
      8, "a match that is too long");
  DAMAGED(
      "\x30"
      "abc\xff\xff\xff\xff\x01\x00",
      8, "a number that is too large");
  DAMAGED("\xf0\xff", 8, "a number that is not whole");
  return finish();
}
