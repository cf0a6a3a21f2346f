/*
** header_parse() against jansson, on random headers.
**
** The extension takes a header's plain entries with a scanner of its own and gives jansson only
** those that are not; jansson is the authority on both. So here jansson reads each header whole, as
** one DOM, this program applies the format's rules to that, and the two readings must agree: on
** whether the header is valid and, if so, on every name, dtype, shape, offset and metadata pair.
**
**     scanner_differential [COUNT [SEED]]
**
** The headers are made at random from a fixed seed: valid ones written in every way that JSON
** allows, the same with something wrong at a place where a header can be wrong, and either kind
** with bytes of it changed. The shares of valid and of plain headers are held above floors: without
** them two readers that refuse everything would agree.
*/
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "format/header.h"

enum { DEFAULT_COUNT = 150000, SHOWN_DIFFERENCES = 10 };

/* From the format's reference implementation, not from the extension's own table. */
typedef struct Type {
  const char *name;
  unsigned bits;
} Type;

static const Type types[] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},     {"F8_E4M3FNUZ", 8},
    {"I16", 16}, {"U16", 16},    {"F16", 16},    {"F8_E5M2FNUZ", 8}, {"BF16", 16},
    {"I32", 32}, {"U32", 32},    {"F32", 32},    {"C64", 64},        {"F64", 64},
    {"I64", 64}, {"U64", 64},
};

#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof(array)[0]))

/* ---- Chance ---- */

static uint64_t random_state;

/* SplitMix64 (Sebastiano Vigna, public domain). */
static uint64_t random_next(void) {
  uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

static uint32_t below(uint64_t limit) {
  return (uint32_t)(random_next() % limit);
}

/* True one time in `rate`; never when that is 0. */
static bool one_in(uint32_t rate) {
  return rate != 0 && below(rate) == 0;
}

#define ONE_OF(array) ((array)[below(COUNT_OF(array))])

/* One of the words, which single spaces separate. Valid until the next call. */
static const char *one_word_of(const char *words) {
  static char word[64];
  uint32_t count = 1;
  for (const char *at = words; *at != '\0'; at++) count += *at == ' ';
  for (uint32_t skip = below(count); skip > 0; skip--) words = strchr(words, ' ') + 1;
  snprintf(word, sizeof word, "%.*s", (int)strcspn(words, " "), words);
  return word;
}

/* ---- Text ---- */

typedef struct Text {
  char *bytes;
  size_t length, capacity;
} Text;

static void *must_have(void *block) {
  if (block != NULL) return block;
  fprintf(stderr, "out of memory\n");
  exit(1);
}

static void put_bytes(Text *text, const char *bytes, size_t length) {
  if (text->length + length > text->capacity) {
    text->capacity = (text->length + length) * 2;
    text->bytes = must_have(realloc(text->bytes, text->capacity));
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

static void put(Text *text, const char *words) {
  put_bytes(text, words, strlen(words));
}

__attribute__((format(printf, 2, 3))) static void put_format(Text *text, const char *format, ...) {
  char out[64];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(out, sizeof out, format, arguments);
  va_end(arguments);
  put(text, out);
}

/* ---- Writing a header ---- */

enum { MAX_TENSORS = 40, MAX_RANK = 6, MAX_NAME = 256, KEY_COUNT = 3 };

typedef struct Tensor {
  char name[MAX_NAME];
  const Type *type;
  uint32_t rank;
  uint64_t shape[MAX_RANK];
  uint64_t begin, end;
} Tensor;

/* How one header is written. Each rate is "one in so many places", 0 for nowhere. */
typedef struct Maker {
  Text text;
  uint32_t space_rate, escape_rate, extra_rate, fault_rate;
  uint64_t data_size;
  Tensor tensors[MAX_TENSORS];
  uint32_t tensor_count;
} Maker;

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

static void put_value(Maker *maker, uint32_t levels);

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

static void make_header(Maker *maker) {
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

/* ---- The authority ---- */

typedef struct ExpectedTensor {
  const char *name;
  const Type *type;
  const json_t *shape;
  uint64_t begin, end;
  size_t position; /* in the header */
} ExpectedTensor;

typedef struct Expected {
  json_t *root;
  const json_t *metadata; /* NULL when there is none */
  ExpectedTensor *tensors;
  size_t tensor_count;
  char problem[JSON_ERROR_TEXT_LENGTH];
} Expected;

/* The following return NULL, or what is wrong. */

static unsigned levels_of(const json_t *value) {
  unsigned most = 0;
  const char *key;
  json_t *child;
  size_t i;
  if (!json_is_object(value) && !json_is_array(value)) return 0;
  json_array_foreach (value, i, child) {
    unsigned levels = levels_of(child);
    if (levels > most) most = levels;
  }
  json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
    unsigned levels = levels_of(child);
    if (levels > most) most = levels;
  }
  return most + 1;
}

static size_t number_length(const char *text, size_t left) {
  size_t length = 0;
  while (length < left && text[length] != '\0' && strchr("+-.eE0123456789", text[length])) length++;
  return length;
}

/* jansson reads -0 as the integer 0, the reference implementation as a float: so it is looked for
** in the text, which is known to be JSON by now. */
static bool has_negative_zero(const char *text, size_t length) {
  bool in_string = false;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\') i++;
    if (in_string) continue;
    size_t number = number_length(text + i, length - i);
    if (number == 2 && text[i] == '-' && text[i + 1] == '0') return true;
    if (number > 0) i += number - 1;
  }
  return false;
}

static const Type *find_type(const json_t *value) {
  if (!json_is_string(value)) return NULL;
  for (uint32_t i = 0; i < COUNT_OF(types); i++) {
    if (strlen(types[i].name) == json_string_length(value) &&
        strcmp(types[i].name, json_string_value(value)) == 0) {
      return &types[i];
    }
  }
  return NULL;
}

static bool is_natural_array(const json_t *value) {
  json_t *number;
  size_t i;
  if (!json_is_array(value)) return false;
  json_array_foreach (value, i, number) {
    if (!json_is_integer(number) || json_integer_value(number) < 0) return false;
  }
  return true;
}

static uint64_t natural_at(const json_t *array, size_t index) {
  return (uint64_t)json_integer_value(json_array_get(array, index));
}

static const char *judge_entry(const char *name, const json_t *entry, ExpectedTensor *tensor) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  tensor->name = name;
  if (!json_is_object(entry)) return "an entry that is no object";
  tensor->type = find_type(json_object_get(entry, "dtype"));
  tensor->shape = json_object_get(entry, "shape");
  if (tensor->type == NULL) return "dtype";
  if (!is_natural_array(tensor->shape)) return "shape";
  if (!is_natural_array(offsets) || json_array_size(offsets) != 2) return "data_offsets";
  tensor->begin = natural_at(offsets, 0);
  tensor->end = natural_at(offsets, 1);
  return NULL;
}

static const char *judge_metadata(const json_t *metadata) {
  const char *key;
  json_t *value;
  if (json_is_null(metadata)) return NULL;
  if (!json_is_object(metadata)) return "metadata that is no object";
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, value) {
    if (!json_is_string(value)) return "metadata that is no string";
  }
  return NULL;
}

static const char *judge_members(Expected *expected) {
  const char *key, *problem = NULL;
  json_t *value;
  expected->tensors =
      must_have(calloc(json_object_size(expected->root) + 1, sizeof(ExpectedTensor)));
  json_object_foreach (expected->root, key, value) {
    if (strcmp(key, "__metadata__") == 0) {
      if (!json_is_null(value)) expected->metadata = value;
      problem = judge_metadata(value);
    } else {
      ExpectedTensor *tensor = &expected->tensors[expected->tensor_count];
      tensor->position = expected->tensor_count++;
      problem = judge_entry(key, value, tensor);
    }
    if (problem != NULL) return problem;
  }
  return NULL;
}

static int by_place(const void *left, const void *right) {
  const ExpectedTensor *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return a->position < b->position ? -1 : 1;
}

static const char *judge_size(const ExpectedTensor *tensor) {
  uint64_t product = 1;
  for (size_t i = 0; i < json_array_size(tensor->shape); i++) {
    uint64_t dimension = natural_at(tensor->shape, i);
    if (dimension != 0 && product > UINT64_MAX / dimension) return "a shape that overflows";
    product *= dimension;
  }
  if (product > UINT64_MAX / tensor->type->bits) return "bits that overflow";
  product *= tensor->type->bits;
  if (product % 8 != 0) return "elements that end inside a byte";
  return product / 8 == tensor->end - tensor->begin ? NULL : "a size unlike the shape's";
}

static const char *judge_layout(Expected *expected, uint64_t data_size) {
  uint64_t end = 0;
  qsort(expected->tensors, expected->tensor_count, sizeof(ExpectedTensor), by_place);
  for (size_t i = 0; i < expected->tensor_count; i++) {
    const ExpectedTensor *tensor = &expected->tensors[i];
    if (tensor->begin != end) return "a hole or an overlap";
    if (tensor->end < tensor->begin) return "an end before its begin";
    const char *problem = judge_size(tensor);
    if (problem != NULL) return problem;
    end = tensor->end;
  }
  return end == data_size ? NULL : "a file of another size";
}

static const char *judge(const char *text, size_t length, uint64_t data_size, Expected *expected) {
  json_error_t error;
  expected->root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (expected->root == NULL) {
    memcpy(expected->problem, error.text, sizeof expected->problem);
    return expected->problem;
  }
  if (!json_is_object(expected->root)) return "a header that is no object";
  if (has_negative_zero(text, length)) return "-0";
  if (levels_of(expected->root) > 127) return "more than 127 levels";
  const char *problem = judge_members(expected);
  return problem != NULL ? problem : judge_layout(expected, data_size);
}

static void forget_expected(Expected *expected) {
  json_decref(expected->root);
  free(expected->tensors);
}

/* ---- Comparing ---- */

static bool span_is(const Header *header, Span span, const char *bytes, size_t length) {
  return span.length == length && memcmp(header->text + span.offset, bytes, length) == 0;
}

static bool ends_with_nul(const Header *header, Span span) {
  return header->text[span.offset + span.length] == '\0';
}

static bool same_shape(const Header *header, const TensorEntry *entry, const json_t *shape) {
  Text text = {0};
  put(&text, "[");
  for (size_t i = 0; i < json_array_size(shape); i++) {
    put_format(&text, "%s%" PRIu64, i > 0 ? "," : "", natural_at(shape, i));
  }
  put(&text, "]");
  bool same = span_is(header, entry->shape, text.bytes, text.length);
  free(text.bytes);
  return same && tensor_entry_rank(header, entry) == json_array_size(shape);
}

/* Returns NULL, or what differs. */
static const char *compare_tensor(const Header *header, const TensorEntry *entry,
                                  const ExpectedTensor *tensor) {
  size_t length = strlen(tensor->name);
  if (!span_is(header, entry->name, tensor->name, length)) return "name";
  if (strcmp(dtype_name(entry->dtype), tensor->type->name) != 0) return "dtype";
  if (dtype_bits(entry->dtype) != tensor->type->bits) return "bits";
  if (!same_shape(header, entry, tensor->shape)) return "shape";
  if (entry->begin != tensor->begin || entry->end != tensor->end) return "data_offsets";
  if (!ends_with_nul(header, entry->name) || !ends_with_nul(header, entry->shape)) return "NUL";
  return header_find(header, tensor->name, length) == entry ? NULL : "lookup by name";
}

static const char *compare_metadata(const Header *header, const json_t *metadata) {
  size_t row = 0;
  const char *key;
  json_t *value;
  if (header->metadata_count != json_object_size(metadata)) return "number of metadata keys";
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, value) {
    const MetadataEntry *entry = &header->metadata[row++];
    if (!span_is(header, entry->key, key, strlen(key))) return "metadata key";
    if (!span_is(header, entry->value, json_string_value(value), json_string_length(value))) {
      return "metadata value";
    }
  }
  return NULL;
}

static const char *compare(const Header *header, const Expected *expected) {
  if (header->tensor_count != expected->tensor_count) return "number of tensors";
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const char *what = compare_tensor(header, &header->tensors[i], &expected->tensors[i]);
    if (what != NULL) return what;
  }
  return compare_metadata(header, expected->metadata);
}

/* ---- Counting ---- */

static struct { uint64_t passed, failed, valid, plain; } total;

/* How often jansson asked for memory: an entry that went to it shows here. */
static uint64_t jansson_allocations;

static void *jansson_alloc(size_t size) {
  jansson_allocations++;
  return malloc(size);
}

static void show_bytes(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
      putchar(byte);
    } else {
      printf("\\x%02x", byte);
    }
  }
  putchar('\n');
}

static void show_difference(const char *text, size_t length, uint64_t data_size, const char *what,
                            const char *ours, const char *theirs) {
  if (total.failed++ >= SHOWN_DIFFERENCES) return;
  printf("DIFFERENT: %s\n  header_parse: %s\n  authority:    %s\n  data: %" PRIu64
         " bytes, header (other bytes and backslashes as \\xNN):\n  ",
         what, ours != NULL ? ours : "valid", theirs != NULL ? theirs : "valid", data_size);
  show_bytes(text, length);
}

static void check_header(const char *text, size_t length, uint64_t data_size) {
  Expected expected = {0};
  Error error = {0};
  const char *problem = judge(text, length, data_size, &expected), *different = NULL;
  char *copy = must_have(memory_alloc(length));
  memcpy(copy, text, length);
  uint64_t before = jansson_allocations;
  Header *header =
      header_parse(copy, length, HEADER_PREFIX_SIZE + length + data_size, "test", &error);
  bool plain = jansson_allocations == before;
  if ((header != NULL) != (problem == NULL)) {
    different = "the verdict";
  } else if (header != NULL) {
    different = compare(header, &expected);
    total.valid++;
    total.plain += plain;
  } else if (error.code != ERROR_INVALID || error.message == NULL) {
    different = "an error without a message";
  }
  if (different != NULL) {
    show_difference(text, length, data_size, different, error.message, problem);
  } else {
    total.passed++;
  }
  error_clear(&error);
  header_free(header);
  forget_expected(&expected);
}

static void check_floor(const char *what, uint64_t found, uint64_t count, uint64_t percent) {
  if (found * 100 >= count * percent) {
    total.passed++;
    return;
  }
  total.failed++;
  printf("FAILED: expected at least %" PRIu64 " %% of the headers to be %s, found %" PRIu64 "\n",
         percent, what, found);
}

/* ---- Headers worth their own line ---- */

#define ONE_TENSOR(members) "{\"a\":{" members "}}"
#define SHAPED(type, shape, end) \
  ONE_TENSOR("\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[0," end "]")
#define WITH_MORE(text)   ONE_TENSOR("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]" text)
#define METADATA(members) "{\"__metadata__\":{" members "}}"

static void check_known_headers(void) {
  static const struct {
    uint64_t data_size;
    const char *header;
  } known[] = {
      {0, ""},
      {0, "{}"},
      {1, "{}"},
      {0, " {\t} \r\n"},
      {0, "{} x"},
      {0, "[]"},
      {0, "null"},
      {0, "{\"__metadata__\":null}"},
      {0, "{\"__metadata__\":nullx}"},
      {0, "{\"__metadata__\":{},\"\\u005f_metadata__\":{}}"},
      {0, METADATA("\"a\\u0000b\":\"\"")},
      {0, METADATA("\"a\":\"b\\u0000c\"")},
      {0, METADATA("\"a\":\"\\udc00\\udc00\"")},
      {0, METADATA("\"a\":\"\\ud83d\\ude00\\u00e9\"")},
      {1, WITH_MORE(",")},
      {1, WITH_MORE(",\"x\":1e-05")},
      {1, WITH_MORE(",\"x\":1e-0")},
      {1, WITH_MORE(",\"x\":-0")},
      {1, WITH_MORE(",\"x\":-0.0")},
      {1, WITH_MORE(",\"x\":[\"-0\"]")},
      {1, WITH_MORE(",\"x\":\"\\\"\"")},
      {1, WITH_MORE(",\"x\":\"\\\\\"")},
      {1, WITH_MORE(",\"x\":[}]")},
      {1, WITH_MORE(",\"x\":1]")},
      {1, ONE_TENSOR("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-0,1]")},
      {1, ONE_TENSOR("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[00,1]")},
      {0, SHAPED("U8", "[-0]", "0")},
      {1, SHAPED("U8", "[01]", "1")},
      {1, SHAPED("U8", "[1,]", "1")},
      {0, SHAPED("U8", "[0,9223372036854775807,3]", "0")},
      {0, SHAPED("U8", "[9223372036854775807,3,0]", "0")},
      {0, SHAPED("U8", "[0,9223372036854775808]", "0")},
      {0, SHAPED("U8", "[0,18446744073709551616]", "0")},
      {INT64_MAX, SHAPED("U8", "[9223372036854775807]", "9223372036854775807")},
      {1, SHAPED("F4", "[3]", "1")},
      {2, SHAPED("F4", "[4]", "2")},
      {3, SHAPED("F6_E2M3", "[4]", "3")},
  };
  for (uint32_t i = 0; i < COUNT_OF(known); i++) {
    check_header(known[i].header, strlen(known[i].header), known[i].data_size);
  }
}

/* ---- Memory of exact size, so that AddressSanitizer sees the first byte read too far ---- */

static void *exact_malloc(int size) {
  return malloc((size_t)size);
}

static void *exact_realloc(void *block, int size) {
  return realloc(block, (size_t)size);
}

static int exact_size(void *block) {
  return (int)malloc_usable_size(block);
}

static int exact_roundup(int size) {
  return size;
}

static int exact_init(void *unused) {
  (void)unused;
  return SQLITE_OK;
}

static void exact_shutdown(void *unused) {
  (void)unused;
}

static void use_exact_memory(void) {
  static const sqlite3_mem_methods methods = {exact_malloc,  free,       exact_realloc,  exact_size,
                                              exact_roundup, exact_init, exact_shutdown, NULL};
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  json_set_alloc_funcs(jansson_alloc, free);
}

static void check_headers_at_random(uint64_t count) {
  static Maker maker;
  total.valid = total.plain = 0;
  for (uint64_t i = 0; i < count; i++) {
    make_header(&maker);
    check_header(maker.text.bytes, maker.text.length, maker.data_size);
  }
  free(maker.text.bytes);
  printf("%" PRIu64 " headers: %" PRIu64 " valid (%" PRIu64 " by the scanner alone, %" PRIu64
         " with jansson), %" PRIu64 " invalid\n",
         count, total.valid, total.plain, total.valid - total.plain, count - total.valid);
  check_floor("valid", total.valid, count, 33);
  check_floor("valid and plain", total.plain, count, 20);
  check_floor("valid and not plain", total.valid - total.plain, count, 10);
  check_floor("invalid", count - total.valid, count, 25);
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_COUNT;
  random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20220922;
  use_exact_memory();
  check_known_headers();
  check_headers_at_random(count);
  if (sqlite3_memory_used() != 0) {
    total.failed++;
    printf("FAILED: %lld bytes were not freed\n", (long long)sqlite3_memory_used());
  }
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
