/*
** Where a plain string of JSON ends, which is found by 16 bytes at a time: against a loop over bytes, from every
** position of random texts of every length, each in memory of its exact size. And the slots of a table of names,
** which are fetched by the batch: against rows that are added one by one.
*/
#include "json/json_cursor.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/name_table.h"
#include "program.h"

enum { TEXTS = 100000, LONGEST = 70, TABLES = 300, MOST_ROWS = 3000 };

static uint32_t state = 20240229;

static uint32_t random_below(uint32_t limit) {
  state = state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)state * limit >> 32);
}

static char random_byte(void) {
  switch (random_below(40)) {
    case 0: return '"';
    case 1: return '\\';
    case 2: return (char)random_below(0x20);
    case 3: return (char)(0x80 + random_below(0x80));
    default: return (char)(0x20 + random_below(0x60));
  }
}

static uint32_t end_by_bytes(const char *text, uint32_t length, uint32_t at) {
  while (at < length && text[at] != '"' && text[at] != '\\' && (unsigned char)text[at] >= 0x20)
    at++;
  return at;
}

static void check_ends(void) {
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < TEXTS; i++) {
    uint32_t length = random_below(LONGEST);
    char *text = malloc(length > 0 ? length : 1);
    if (text == NULL) stop("malloc");
    for (uint32_t at = 0; at < length; at++) text[at] = random_byte();
    JsonCursor cursor = {.text = text, .length = length};
    for (uint32_t at = 0; at <= length; at++) {
      wrong += json_cursor_plain_end(&cursor, at) != end_by_bytes(text, length, at);
    }
    free(text);
  }
  check(wrong == 0, "the end of a plain string");
}

/* Some names of a table are equal to earlier ones, or not. */
static void check_table(uint32_t count, uint32_t names) {
  static char text[MOST_ROWS * 8 + 1];
  static Span rows[MOST_ROWS];
  NameTable one_by_one, batches;
  uint32_t earlier, first = count, duplicate = count;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t name = names > 0 ? random_below(names) : i;
    snprintf(text + (size_t)i * 8, 9, "%08" PRIx32, name);
    rows[i] = (Span){i * 8, 8};
  }
  if (!name_table_start(&one_by_one, text, rows, sizeof(Span), count)) stop("memory");
  for (uint32_t i = 0; i < count && first == count; i++) {
    if (!name_table_add(&one_by_one, i, &earlier)) first = i;
  }
  NameTableResult result = name_table_build(&batches, text, rows, sizeof(Span), count, &duplicate);
  check(result == (first < count ? NAME_TABLE_DUPLICATE : NAME_TABLE_BUILT) && duplicate == first,
        "the first name that occurs again");
  uint32_t found = 0, row;
  for (uint32_t i = 0; result == NAME_TABLE_BUILT && i < count; i++) {
    found += name_table_find(&batches, text + rows[i].offset, 8, &row) && row == i;
  }
  check(result != NAME_TABLE_BUILT || found == count, "all names are found");
  if (result == NAME_TABLE_BUILT) name_table_free(&batches);
  name_table_free(&one_by_one);
}

int main(void) {
  check_ends();
  for (uint32_t i = 0; i < TABLES; i++) {
    uint32_t count = random_below(i < TABLES / 2 ? 40 : MOST_ROWS);
    check_table(count, i % 2 == 0 ? 0 : 1 + random_below(40) * count);
  }
  return finish();
}
