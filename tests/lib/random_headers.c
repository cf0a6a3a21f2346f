#include "random_headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_COUNT = 3 };

/* ---- Writing a header ---- */

/* Asked wherever a header can be wrong. */
static bool goes_wrong(const Maker *maker) {
  return one_in(maker->fault_rate);
}

static void put_spaces(Maker *maker) {
  static const char *const spaces[] = {" ", "  ", "\n", "\t", "\r\n", " \t\r\n "};
  static const char *const no_spaces[] = {"\f", "\v", "\xc2\xa0", "\xef\xbb\xbf", "/**/"};
  if (one_in(maker->space_rate)) put(&maker->text, ONE_OF(spaces));
  if (goes_wrong(maker) && one_in(20)) put(&maker->text, ONE_OF(no_spaces));
}

static void put_mark(Maker *maker, const char *mark) {
  static const char *const wrong[] = {"", ",", ":", "[", "]", "{", "}", ",,", ";", "\""};
  put_spaces(maker);
  put(&maker->text, goes_wrong(maker) && one_in(8) ? ONE_OF(wrong) : mark);
  put_spaces(maker);
}

/* Writes a code point as \u escapes, with digits of either case. */
static void put_unicode_escape(Text *text, uint32_t point) {
  bool is_pair = point >= 0x10000, upper = one_in(2);
  uint32_t units[2] = {point, 0};
  if (is_pair) {
    units[0] = 0xd800 + ((point - 0x10000) >> 10);
    units[1] = 0xdc00 + (point & 0x3ff);
  }
  for (int i = 0; i < (is_pair ? 2 : 1); i++) {
    put_format(text, upper ? "\\u%04X" : "\\u%04x", units[i]);
  }
}

/* The code point at `bytes`, which are valid UTF-8, and its size. */
static uint32_t code_point(const char *bytes, size_t *size) {
  unsigned char first = (unsigned char)bytes[0];
  *size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t point = *size == 1 ? first : first & (0xffu >> (*size + 1));
  for (size_t i = 1; i < *size; i++) point = point << 6 | ((unsigned char)bytes[i] & 0x3f);
  return point;
}

static void put_character(Maker *maker, const char *bytes, size_t *size) {
  static const char meant[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
  uint32_t point = code_point(bytes, size);
  bool must_escape = point < 0x20 || point == '"' || point == '\\';
  if (!must_escape && !one_in(maker->escape_rate)) {
    put_bytes(&maker->text, bytes, *size);
    return;
  }
  const char *letter = *size == 1 && point != 0 ? strchr(meant, (int)point) : NULL;
  if (letter != NULL && one_in(2)) {
    put_format(&maker->text, "\\%c", letters[letter - meant]);
  } else {
    put_unicode_escape(&maker->text, point);
  }
}

static void put_wrong_piece(Text *text) {
  static const char words[] =
      "\\ud800 \\udc00 \\ud800x \\udc00\\udc00 \\ud800\\ud800 \\ud83d\\u0041 \\ude00\\ud83d "
      "\\ud83d\\ude0 \\u0000 \\u00 \\u00g0 \\x41 \\U0041 \\ \n \x01 \x1f \x7f \" \xff \xc2 "
      "\xc0\x80 "
      "\xed\xa0\x80 \xe2\x82 \xe0\x9f\xbf \xf0\x8f\xbf\xbf \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80";
  if (one_in(20)) {
    put_bytes(text, "\0", 1);
  } else {
    put(text, one_word_of(words));
  }
}

static void put_string_bytes(Maker *maker, const char *bytes, size_t length) {
  put_spaces(maker);
  put(&maker->text, "\"");
  for (size_t at = 0, size; at < length; at += size) put_character(maker, bytes + at, &size);
  if (goes_wrong(maker) && one_in(3)) put_wrong_piece(&maker->text);
  put(&maker->text, "\"");
  put_spaces(maker);
}

static void put_string(Maker *maker, const char *words) {
  put_string_bytes(maker, words, strlen(words));
}

/* A length near those at which a buffer that doubles is full. */
static uint32_t length_near_power(void) {
  return (16u << below(4)) - 4 + below(8);
}

/* ---- Values of any kind ---- */

static void put_value(Maker *maker, uint32_t levels);

static void put_number_anyhow(Maker *maker) {
  static const char good[] =
      "0 7 -1 1.0 -0.0 1e2 1E+2 1e-05 -0e1 2e-0 -2.5e-01 0.5 12345 -9223372036854775808 "
      "9223372036854775807";
  static const char wrong[] =
      "-0 01 -01 +1 1. .5 1e - 0x10 1e999 NaN 9223372036854775808 -9223372036854775809 "
      "18446744073709551615 18446744073709551616 123456789012345678901234567890";
  put(&maker->text, one_word_of(goes_wrong(maker) ? wrong : good));
}

static void put_string_anyhow(Maker *maker) {
  static const char strings[] =
      "pt a\"quoted\"word back\\slash -0 }{][,: \xc3\xa9 \xf0\x9f\x98\x80 line\nbreak \xef\xbf\xbf "
      "\x7f dtype 1e-05 ";
  if (one_in(4)) {
    char words[160];
    uint32_t length = length_near_power();
    memset(words, 'a', length);
    put_string_bytes(maker, words, length);
  } else {
    put_string(maker, one_word_of(strings));
  }
}

static void put_array_or_object(Maker *maker, uint32_t levels, bool is_object) {
  uint32_t count = below(4);
  put_mark(maker, is_object ? "{" : "[");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) put_mark(maker, ",");
    if (is_object) {
      char key[16];
      snprintf(key, sizeof key, "k%u", goes_wrong(maker) ? 0 : i);
      put_string(maker, key);
      put_mark(maker, ":");
    }
    put_value(maker, levels - 1);
  }
  put_mark(maker, is_object ? "}" : "]");
}

static void put_value(Maker *maker, uint32_t levels) {
  static const char wrong[] = "True nul undefined 'x' tru\\u0065 ";
  uint32_t kind = below(levels > 0 ? 6 : 4);
  if (goes_wrong(maker)) {
    put(&maker->text, one_word_of(wrong));
  } else if (kind == 0) {
    put(&maker->text, one_word_of("true false null"));
  } else if (kind == 1) {
    put_string_anyhow(maker);
  } else if (kind < 4) {
    put_number_anyhow(maker);
  } else {
    put_array_or_object(maker, levels, kind == 4);
  }
}

/* Nesting around the limit of 127 levels, of which the header and the entry are two. */
static void put_deep_value(Maker *maker) {
  uint32_t levels = (one_in(4) ? 126 : 122) + below(4);
  uint64_t objects = random_next();
  put_spaces(maker);
  for (uint32_t i = 0; i < levels; i++) put(&maker->text, objects >> i % 64 & 1 ? "{\"k\":" : "[");
  put(&maker->text, "0");
  for (uint32_t i = levels; i-- > 0;) put(&maker->text, objects >> i % 64 & 1 ? "}" : "]");
}

/* ---- An entry ---- */

static void put_integer(Maker *maker, uint64_t value) {
  static const char *const prefixes[] = {"0", "-", "+", "0000000000000000000", " "};
  put_spaces(maker);
  if (goes_wrong(maker)) {
    put_value(maker, 1);
  } else if (goes_wrong(maker)) {
    put_number_anyhow(maker);
  } else {
    if (goes_wrong(maker)) put(&maker->text, ONE_OF(prefixes));
    put_format(&maker->text, "%" PRIu64, value);
  }
  put_spaces(maker);
}

static void put_integers(Maker *maker, const uint64_t *values, uint32_t count) {
  uint32_t more = goes_wrong(maker) && one_in(4) ? 1 : 0;
  put_mark(maker, "[");
  for (uint32_t i = 0; i < count + more; i++) {
    if (i > 0) put_mark(maker, ",");
    put_integer(maker, i < count ? values[i] : 0);
  }
  put_mark(maker, "]");
}

static void put_dtype(Maker *maker, const Tensor *tensor) {
  static const char *const unknown[] = {"F31", "f32", "F32 ", "", "F3", "F322", "F8", "\xc3\xa9"};
  if (goes_wrong(maker)) {
    put_string(maker, ONE_OF(unknown));
  } else if (goes_wrong(maker)) {
    put_value(maker, 1);
  } else {
    put_string(maker, tensor->type->name);
  }
}

static void put_data_offsets(Maker *maker, const Tensor *tensor) {
  uint64_t offsets[2] = {tensor->begin, tensor->end};
  if (goes_wrong(maker)) {
    uint64_t swapped[] = {offsets[1], offsets[0]};
    memcpy(offsets, swapped, sizeof offsets);
  }
  for (int i = 0; i < 2; i++) {
    if (goes_wrong(maker)) offsets[i] += 1 + below(3);
    if (goes_wrong(maker) && offsets[i] > 0) offsets[i]--;
  }
  put_integers(maker, offsets, goes_wrong(maker) ? 1 : 2);
}

static void put_member_of_entry(Maker *maker, const Tensor *tensor, uint32_t which) {
  static const char *const keys[] = {"dtype", "shape", "data_offsets"};
  static const char *const wrong[] = {"Dtype", "shapes", "data_offset", "", "dtype "};
  put_string(maker, goes_wrong(maker) ? ONE_OF(wrong) : keys[which]);
  put_mark(maker, ":");
  if (goes_wrong(maker)) {
    put_value(maker, 3);
  } else if (which == 0) {
    put_dtype(maker, tensor);
  } else if (which == 1) {
    put_integers(maker, tensor->shape, tensor->rank);
  } else {
    put_data_offsets(maker, tensor);
  }
}

static void put_extra_member(Maker *maker, uint32_t number) {
  char key[100];
  snprintf(key, sizeof key, "extra%u", number);
  if (one_in(4)) snprintf(key, sizeof key, "%0*u", (int)length_near_power() % 90 + 1, number);
  if (goes_wrong(maker)) snprintf(key, sizeof key, "shape");
  put_string(maker, key);
  put_mark(maker, ":");
  if (one_in(20)) {
    put_deep_value(maker);
  } else {
    put_value(maker, 3);
  }
}

static void shuffle(uint32_t *numbers, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) numbers[i] = i;
  for (uint32_t i = count; i > 1; i--) {
    uint32_t other = below(i), kept = numbers[i - 1];
    numbers[i - 1] = numbers[other];
    numbers[other] = kept;
  }
}

/* The three keys in any order, some left out or doubled when things go wrong, others between. */
static void put_entry(Maker *maker, const Tensor *tensor) {
  enum { MOST_MEMBERS = KEY_COUNT + 3 };
  uint32_t order[MOST_MEMBERS], count = KEY_COUNT, written = 0;
  if (one_in(maker->extra_rate)) count += 1 + below(MOST_MEMBERS - KEY_COUNT);
  shuffle(order, count);
  put_mark(maker, "{");
  for (uint32_t i = 0; i < count; i++) {
    uint32_t times = goes_wrong(maker) ? 2 * below(2) : 1;
    for (uint32_t time = 0; time < times; time++) {
      if (written++ > 0) put_mark(maker, ",");
      if (order[i] < KEY_COUNT) {
        put_member_of_entry(maker, tensor, order[i]);
      } else {
        put_extra_member(maker, order[i]);
      }
    }
  }
  put_mark(maker, "}");
}

/* ---- The tensors, and the metadata ---- */

static void make_name(Maker *maker, Tensor *tensor, uint32_t number) {
  static const char plain[] =
      "model layers . weight _ / 0 17 \xc3\xa9 \xf0\x9f\x98\x80 \xe2\x82\xac # mlp";
  static const char any[] = "model . 0 \xc3\xa9 \xf0\x9f\x98\x80 \" \\ \n \x01 \x7f / \b";
  uint32_t count = one_in(10) ? length_near_power() / 4 : below(6), at = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *piece = one_word_of(maker->escape_rate != 0 ? any : plain);
    if (at + strlen(piece) > MAX_NAME - 24) break;
    memcpy(tensor->name + at, piece, strlen(piece));
    at += (uint32_t)strlen(piece);
  }
  tensor->name[at] = '\0';
  if (!goes_wrong(maker)) snprintf(tensor->name + at, 24, "%u", number);
  if (number == 0 && one_in(10)) tensor->name[0] = '\0';
}

/* False when shape and type do not fit what is left of 64 bits. */
static bool numel_and_size(const Tensor *tensor, uint64_t *nbytes) {
  uint64_t numel = 1;
  for (uint32_t i = 0; i < tensor->rank; i++) {
    uint64_t dimension = tensor->shape[i];
    if (dimension != 0 && numel > UINT64_MAX / dimension) return false;
    numel *= dimension;
  }
  if (numel > UINT64_MAX / tensor->type->bits) return false;
  *nbytes = numel * tensor->type->bits / 8;
  return numel * tensor->type->bits % 8 == 0;
}

static void make_shape(Tensor *tensor) {
  static const uint64_t large[] = {INT64_MAX, INT64_MAX / 2, UINT32_MAX, 1u << 31,
                                   (uint64_t)INT64_MAX + 1};
  tensor->rank = below(MAX_RANK);
  for (uint32_t i = 0; i < tensor->rank; i++) {
    tensor->shape[i] = one_in(12) ? 0 : 1 + below(one_in(8) ? 100000 : 6);
  }
  if (tensor->type->bits % 8 != 0) {
    if (tensor->rank == 0) tensor->rank = 1;
    tensor->shape[below(tensor->rank)] = 4 * below(5);
  }
  if (tensor->rank > 0 && one_in(12)) tensor->shape[below(tensor->rank)] = ONE_OF(large);
}

static void make_tensor(Maker *maker, Tensor *tensor, uint32_t number) {
  uint64_t nbytes = 0;
  make_name(maker, tensor, number);
  tensor->type = &ONE_OF(types);
  make_shape(tensor);
  bool fits = numel_and_size(tensor, &nbytes) && nbytes < INT64_MAX - maker->data_size;
  if (!fits && !goes_wrong(maker)) {
    tensor->rank = 1;
    tensor->shape[0] = nbytes = 0;
  }
  tensor->begin = maker->data_size;
  tensor->end = maker->data_size += nbytes & INT64_MAX;
}

static void put_metadata_string(Maker *maker, uint32_t number, bool is_key) {
  static const char with_nul[] = "a\0b";
  char key[32];
  snprintf(key, sizeof key, "key%u", goes_wrong(maker) ? 0 : number);
  if (is_key) {
    put_string(maker, number == 0 && one_in(8) ? "" : key);
  } else if (maker->escape_rate != 0 && one_in(8)) {
    put_string_bytes(maker, with_nul, sizeof with_nul - 1);
  } else {
    put_string_anyhow(maker);
  }
}

static void put_metadata(Maker *maker) {
  uint32_t count = below(5);
  put_string(maker, "__metadata__");
  put_mark(maker, ":");
  if (one_in(8)) {
    put(&maker->text, "null");
    return;
  }
  if (goes_wrong(maker)) {
    put_value(maker, 2);
    return;
  }
  put_mark(maker, "{");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) put_mark(maker, ",");
    put_metadata_string(maker, i, true);
    put_mark(maker, ":");
    if (goes_wrong(maker)) {
      put_value(maker, 2);
    } else {
      put_metadata_string(maker, i, false);
    }
  }
  put_mark(maker, "}");
}

static void put_tensor(Maker *maker, const Tensor *tensor) {
  put_string(maker, tensor->name);
  put_mark(maker, ":");
  if (goes_wrong(maker)) {
    put_value(maker, 2);
  } else {
    put_entry(maker, tensor);
  }
}

/* Metadata is the member of number tensor_count; a second one is something wrong. */
static void put_header(Maker *maker) {
  uint32_t order[MAX_TENSORS + 2], count = maker->tensor_count, written = 0;
  if (one_in(3)) count += goes_wrong(maker) ? 2 : 1;
  shuffle(order, count);
  put_mark(maker, "{");
  for (uint32_t i = 0; i < count; i++) {
    if (written++ > 0) put_mark(maker, ",");
    if (order[i] < maker->tensor_count) {
      put_tensor(maker, &maker->tensors[order[i]]);
    } else {
      put_metadata(maker);
    }
  }
  if (goes_wrong(maker) && one_in(4)) put(&maker->text, ",");
  put_mark(maker, "}");
}

/* ---- Changing bytes ---- */

static void remove_bytes(Text *text, size_t at, size_t count) {
  memmove(text->bytes + at, text->bytes + at + count, text->length - at - count);
  text->length -= count;
}

static void insert_bytes(Text *text, size_t at, const char *bytes, size_t count) {
  char *copy = must_have(malloc(count + 1));
  memcpy(copy, bytes, count); /* they may be the text's own, which is about to move */
  put_bytes(text, copy, count);
  memmove(text->bytes + at + count, text->bytes + at, text->length - at - count);
  memcpy(text->bytes + at, copy, count);
  free(copy);
}

static void change_bytes(Text *text) {
  static const char likely[] = "{}[]\",:\\ \n\t0123456789.eE+-ntfu\x01\x7f\x80\xc3\xff";
  char byte = likely[below(sizeof likely)];
  size_t at = below(text->length), some = 1 + below(text->length - at);
  switch (below(9)) {
    case 0: text->bytes[at] = byte; break;
    case 1: text->bytes[at] = (char)(text->bytes[at] ^ (1 << below(8))); break;
    case 2: insert_bytes(text, at, &byte, 1); break;
    case 3: remove_bytes(text, at, 1); break;
    case 4: remove_bytes(text, at, some < 20 ? some : 1 + below(20)); break;
    case 5: insert_bytes(text, at, text->bytes + at, some < 20 ? some : 1 + below(20)); break;
    case 6: text->length = at; break;
    case 7: put_bytes(text, &byte, 1); break;
    default: insert_bytes(text, at, " ", 1); break;
  }
}

/* ---- One header at random ---- */

void make_header(Maker *maker) {
  static const uint32_t space_rates[] = {0, 0, 0, 2, 10}, escape_rates[] = {0, 0, 0, 3, 20};
  static const uint32_t extra_rates[] = {0, 0, 2, 8}, fault_rates[] = {0, 0, 0, 200, 60, 15};
  maker->space_rate = ONE_OF(space_rates);
  maker->escape_rate = ONE_OF(escape_rates);
  maker->extra_rate = ONE_OF(extra_rates);
  maker->fault_rate = ONE_OF(fault_rates);
  maker->text.length = 0;
  maker->data_size = 0;
  maker->tensor_count = one_in(100) ? below(MAX_TENSORS) : below(6);
  for (uint32_t i = 0; i < maker->tensor_count; i++) make_tensor(maker, &maker->tensors[i], i);
  if (goes_wrong(maker)) maker->data_size += one_in(2) ? 1 : UINT64_C(1) << below(32);
  if (goes_wrong(maker) && maker->data_size > 0) maker->data_size--;
  put_header(maker);
  for (uint32_t i = one_in(6) ? 1 + below(3) : 0; i > 0 && maker->text.length > 0; i--) {
    change_bytes(&maker->text);
  }
}
