#include "base/label.h"

#include <string.h>

#include "base/utf8.h"

static const struct {
  uint32_t first, last;
} label_hidden[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
    {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
    {0xfdd0, 0xfdef}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

bool label_is_hidden(uint32_t character) {
  for (size_t i = 0; i < sizeof label_hidden / sizeof label_hidden[0]; i++) {
    if (character >= label_hidden[i].first && character <= label_hidden[i].last) return true;
  }
  return (character & 0xfffe) == 0xfffe;
}

const char *label_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  bool is_byte = character >= UTF8_BYTE;
  if (is_byte) character -= UTF8_BYTE;
  if (!is_byte && !label_is_hidden(character)) return NULL;
  switch (character) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default:
      return sqlite3_snprintf(LABEL_ESCAPE_SIZE, buffer,
                              character <= 0xff     ? "\\x%02x"
                              : character <= 0xffff ? "\\u%04x"
                                                    : "\\U%08x",
                              character);
  }
}

void label_append_escaped(sqlite3_str *out, const char *text, uint64_t length,
                          LabelEscape *escape) {
  char buffer[LABEL_ESCAPE_SIZE];
  uint64_t appended = 0;
  for (uint64_t at = 0; at < length;) {
    uint64_t begin = at;
    const char *instead = escape(utf8_next(text, length, &at), buffer);
    if (instead == NULL) continue;
    sqlite3_str_append(out, text + appended, (int)(begin - appended));
    sqlite3_str_appendall(out, instead);
    appended = at;
  }
  sqlite3_str_append(out, text + appended, (int)(length - appended));
}

static uint64_t label_count(const char *text, uint64_t length) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < length; i++) count += (text[i] & 0xc0) != 0x80;
  return count;
}

/* Where the character number `count` of a text in UTF-8 begins. */
static uint64_t label_offset(const char *text, uint64_t length, uint64_t count) {
  uint64_t at = 0;
  while (at < length && ((text[at] & 0xc0) == 0x80 || count-- > 0)) at++;
  return at;
}

static void label_append_short(sqlite3_str *out, const char *text, uint64_t length) {
  enum { LABEL_DOTS = 3, LABEL_BEGINNING = (LABEL_MAX_CHARACTERS - LABEL_DOTS) / 2 };
  uint64_t count = label_count(text, length);
  if (count <= LABEL_MAX_CHARACTERS) {
    sqlite3_str_append(out, text, (int)length);
    return;
  }
  uint64_t end =
      label_offset(text, length, count - (LABEL_MAX_CHARACTERS - LABEL_DOTS - LABEL_BEGINNING));
  sqlite3_str_append(out, text, (int)label_offset(text, length, LABEL_BEGINNING));
  sqlite3_str_appendall(out, "...");
  sqlite3_str_append(out, text + end, (int)(length - end));
}

int label_append_name(sqlite3_str *out, const char *name, uint64_t length, const char *common,
                      uint64_t common_length) {
  sqlite3_str *whole = sqlite3_str_new(NULL);
  if (common_length < length && label_count(common, common_length) > LABEL_MAX_COMMON &&
      memcmp(name, common, (size_t)common_length) == 0) {
    sqlite3_str_appendall(whole, "...");
    name += common_length;
    length -= common_length;
  }
  label_append_escaped(whole, name, length, label_escape);
  int code = sqlite3_str_errcode(whole), size = sqlite3_str_length(whole);
  char *text = sqlite3_str_finish(whole);
  if (code == SQLITE_OK && size > 0) label_append_short(out, text, (uint64_t)size);
  sqlite3_free(text);
  return code != SQLITE_OK ? code : sqlite3_str_errcode(out);
}

/* The length in bytes of the first line of a text; with the indent it has LABEL_MAX_LINE characters at most. */
static uint64_t label_line_length(const char *text, uint64_t length) {
  enum { LABEL_INDENT = 2, LABEL_LINE = LABEL_MAX_LINE - LABEL_INDENT };
  uint64_t most = label_offset(text, length, LABEL_LINE - 1);
  if (most == length) return length;
  uint64_t end = label_offset(text, length, LABEL_LINE);
  while (end > 0 && text[end - 1] != ' ') end--;
  return end > 0 ? end : most;
}

void label_append_lines(sqlite3_str *out, const char *text, uint64_t length, const char *indent) {
  while (length > 0) {
    uint64_t line = label_line_length(text, length);
    sqlite3_str_appendall(out, indent);
    sqlite3_str_append(out, text, (int)line);
    text += line;
    length -= line;
    indent = "\n  ";
  }
}

uint64_t label_common_length(const char *a, uint64_t a_length, const char *b, uint64_t b_length) {
  uint64_t common = 0, length = a_length < b_length ? a_length : b_length;
  for (uint64_t i = 0; i < length && a[i] == b[i]; i++) {
    if (a[i] == '.' || a[i] == '/') common = i + 1;
  }
  return common;
}
