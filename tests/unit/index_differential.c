/*
** index_read() against jansson, on random indexes of sharded models.
**
** jansson reads each index whole, as one DOM; the rules of weight_map are applied to that, and the
** two readings must agree: on whether the index is one and, if so, on every tensor and its shard.
** What only Python's json module takes (NaN, lone surrogates, a key twice in what is passed over)
** is not made here: tests/sql/index.py compares with that module itself.
**
**     index_differential [COUNT [SEED]]
**
** The indexes are made at random from a fixed seed: written in every way that JSON allows, with
** something wrong at a place where an index can be wrong, and either with bytes of it changed. The
** shares of good and bad ones are held above floors.
*/
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlite.h"
#include "format/index.h"
#include "random_text.h"

enum { DEFAULT_COUNT = 100000, SHOWN_DIFFERENCES = 10, MOST_LEVELS = 127 };

static struct { uint64_t passed, failed, good; } total;

/* ---- The authority ---- */

static uint32_t levels_of(const json_t *value) {
  uint32_t most = 0;
  const char *key;
  json_t *child;
  size_t i;
  if (!json_is_object(value) && !json_is_array(value)) return 0;
  json_array_foreach (value, i, child) {
    uint32_t levels = levels_of(child);
    if (levels > most) most = levels;
  }
  json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
    uint32_t levels = levels_of(child);
    if (levels > most) most = levels;
  }
  return most + 1;
}

static bool is_bad_component(const char *name, size_t length) {
  return length == 2 && memcmp(name, "..", 2) == 0;
}

/* By ext/docs/reference.md: relative, below the directory, no characters that mean something elsewhere. */
static bool is_bad_shard(const char *name, size_t length) {
  if (length == 0 || name[0] == '/' || memchr(name, '\\', length) || memchr(name, ':', length)) {
    return true;
  }
  for (size_t i = 0, start = 0; i <= length; i++) {
    if (i < length && ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)) return true;
    if (i < length && name[i] != '/') continue;
    if (is_bad_component(name + start, i - start)) return true;
    start = i + 1;
  }
  return false;
}

static const char *judge_weight_map(const json_t *map) {
  const char *key;
  json_t *value;
  if (!json_is_object(map)) return "weight_map";
  if (json_object_size(map) == 0) return "no tensors";
  json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
    if (!json_is_string(value)) return "a shard that is no text";
    if (is_bad_shard(json_string_value(value), json_string_length(value))) return "a shard's name";
  }
  return NULL;
}

/* Returns NULL, or what is wrong with the index. *root is the caller's. */
static const char *judge(const char *text, size_t length, json_t **root) {
  json_error_t error;
  /* A key twice is wrong only in weight_map, and only there does the maker write one twice. */
  size_t flags = JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
  *root = json_loadb(text, length, flags, &error);
  if (*root == NULL) return "no JSON";
  if (!json_is_object(*root)) return "no object";
  if (levels_of(*root) > MOST_LEVELS) return "too many levels";
  return judge_weight_map(json_object_get(*root, "weight_map"));
}

/* ---- Comparing ---- */

static const char *compare(const Index *index, const json_t *map) {
  const char *key;
  json_t *value;
  if (index->entry_count != json_object_size(map)) return "the number of tensors";
  json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
    uint32_t entry;
    const char *expected = json_string_value(value);
    if (!index_find(index, key, strlen(key), &entry)) return "a tensor that is not found";
    const char *shard = index->shards.paths[index->entries[entry].shard];
    bool simplified = strstr(expected, "./") != NULL || strstr(expected, "//") != NULL;
    if (!simplified && strcmp(shard, expected) != 0) return "a tensor's shard";
  }
  for (uint32_t i = 1; i < index->shards.count; i++) {
    if (natural_compare(index->shards.paths[i - 1], index->shards.paths[i]) >= 0) return "order";
  }
  return NULL;
}

static void show(const Text *text, const char *different, const char *ours, const char *theirs) {
  if (total.failed++ >= SHOWN_DIFFERENCES) return;
  printf("DIFFERENT: %s\n  index_read: %s\n  authority:   %s\n  ", different,
         ours != NULL ? ours : "good", theirs != NULL ? theirs : "good");
  for (size_t i = 0; i < text->length; i++) {
    unsigned char byte = (unsigned char)text->bytes[i];
    printf(byte >= 0x20 && byte < 0x7f && byte != '\\' ? "%c" : "\\x%02x", byte);
  }
  putchar('\n');
}

static void check(const Text *text) {
  json_t *root;
  Error error = {0};
  const char *problem = judge(text->bytes, text->length, &root), *different = NULL;
  IndexInput input = {.path = "test",
                      .text = text->bytes,
                      .size = text->length,
                      .window = one_in(2) ? 4 + below(200) : 0};
  Index *index = index_read(&input, NULL, NULL, &error);
  if ((index != NULL) != (problem == NULL)) {
    different = "the verdict";
  } else if (index != NULL) {
    total.good++;
    different = compare(index, json_object_get(root, "weight_map"));
  } else if (error.code != ERROR_INVALID || error.message == NULL) {
    different = "an error without a message";
  }
  if (different != NULL) {
    show(text, different, error.message, problem);
  } else {
    total.passed++;
  }
  error_clear(&error);
  index_free(index);
  json_decref(root);
}

/* ---- Making ---- */

static uint32_t wrong_in; /* something is wrong one time in so many; never when 0 */

static void put_space(Text *text) {
  while (one_in(6)) put(text, ONE_OF(((const char *[]){" ", "\n", "\t", "\r"})));
}

static void put_mark(Text *text, const char *mark) {
  put_space(text);
  put(text, one_in(wrong_in * 20) ? ONE_OF(((const char *[]){"", ",", ":", "}", "]", "x"})) : mark);
  put_space(text);
}

/* A string of these bytes, each of which may be written as an escape. */
static void put_string(Text *text, const char *bytes) {
  put(text, "\"");
  for (; *bytes != '\0'; bytes++) {
    if ((unsigned char)*bytes < 0x80 && one_in(12)) {
      put_format(text, one_in(2) ? "\\u%04x" : "\\u%04X", (unsigned)*bytes);
    } else {
      put_bytes(text, bytes, 1);
    }
  }
  if (one_in(wrong_in * 10)) {
    put(text, ONE_OF(((const char *[]){"\n", "\\x", "\\u12", "\xff", "\"", "\\ud800"})));
  }
  put(text, "\"");
}

static void put_name(Text *text) {
  static const char *const parts[] = {"a", "layers.7", "weight", "é",       "𝄞",
                                      "/", "",         "b.c",    "metadata"};
  char name[64];
  snprintf(name, sizeof name, "%s.%u%s", ONE_OF(parts), below(1000), ONE_OF(parts));
  put_string(text, name);
}

static void put_shard(Text *text) {
  static const char *const wrong[] = {"/a", "../a", "a/..", "a\\\\b", "c:a", "", "a\x7f"};
  if (one_in(wrong_in * 4)) {
    put(text, one_word_of("7 null [] {\"a\":\"b\"} true"));
  } else if (one_in(wrong_in * 4)) {
    put(text, "\"");
    put(text, ONE_OF(wrong));
    put(text, "\"");
  } else {
    char name[64];
    snprintf(name, sizeof name, "%smodel-%u-of-3.safetensors", one_in(9) ? "sub/" : "", below(12));
    put_string(text, name);
  }
}

static void put_weight_map(Text *text) {
  uint32_t count = one_in(wrong_in * 4) ? 0 : below(12) + 1;
  char last[64] = "\"\"";
  put_mark(text, "{");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) put_mark(text, ",");
    size_t start = text->length;
    if (one_in(wrong_in * 10)) {
      put(text, last);
    } else {
      put_name(text);
    }
    snprintf(last, sizeof last, "%.*s", (int)(text->length - start), text->bytes + start);
    put_mark(text, ":");
    put_shard(text);
  }
  put_mark(text, "}");
}

static void put_any(Text *text, uint32_t levels) {
  static const char *const scalars[] = {
      "1",    "-0",    "0.5e-3", "71903645408.0",       "null",
      "true", "false", "\"\"",   "\"x\\n\\\"\\\\\\/\"", "123456789012345678901234567890"};
  static const char *const wrong[] = {"01", "1.", "+1", "nul", "'a'", "", "1e", "\"\\x\"", "."};
  if (levels == 0 || one_in(3)) {
    put(text, one_in(wrong_in * 10) ? ONE_OF(wrong) : ONE_OF(scalars));
    return;
  }
  bool is_object = one_in(2);
  uint32_t count = below(4);
  put_mark(text, is_object ? "{" : "[");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) put_mark(text, ",");
    if (is_object) {
      put_format(text, "\"%u%u%u%u\"", i, i, i, i); /* no key twice, also when changed */
      put_mark(text, ":");
    }
    put_any(text, levels - 1);
  }
  put_mark(text, is_object ? "}" : "]");
}

static void put_levels(Text *text) {
  uint32_t levels = MOST_LEVELS - 3 + below(5);
  for (uint32_t i = 0; i < levels; i++) put(text, "[");
  for (uint32_t i = 0; i < levels; i++) put(text, "]");
}

static void put_member(Text *text, const char *key, bool *first) {
  if (!*first) put_mark(text, ",");
  *first = false;
  put_string(text, key);
  put_mark(text, ":");
}

static void make(Text *text) {
  static const char *const extra[] = {"metadata", "weight_maps", "x", "é", "weight_ma"};
  bool first = true;
  text->length = 0;
  wrong_in = one_in(2) ? 3 : 0;
  put_mark(text, "{");
  uint32_t place = below(COUNT_OF(extra)), have = one_in(wrong_in * 8) ? 99 : place;
  for (uint32_t i = 0; i < COUNT_OF(extra); i++) {
    if (i == have) {
      put_member(text, "weight_map", &first);
      if (one_in(wrong_in * 8)) {
        put_any(text, 2);
      } else {
        put_weight_map(text);
      }
    }
    if (!one_in(2)) continue;
    put_member(text, extra[i], &first);
    if (one_in(200)) {
      put_levels(text);
    } else {
      put_any(text, 3);
    }
  }
  put_mark(text, "}");
  if (one_in(wrong_in * 10)) put(text, ONE_OF(((const char *[]){"x", "{}", ",", "\xc3", "\1"})));
}

/* Bytes that cannot make what only Python takes, such as a number beyond a double. */
static void change_bytes(Text *text) {
  static const char bytes[] = "{}[]\",: \n\\x1.-\xff\xc3\xa9\x01";
  for (uint32_t i = below(3) + 1; i > 0 && text->length > 1; i--) {
    size_t at = below(text->length);
    if (one_in(3)) {
      memmove(text->bytes + at, text->bytes + at + 1, --text->length - at);
    } else {
      text->bytes[at] = bytes[below(sizeof bytes - 1)];
    }
  }
}

/* What jansson refuses by other rules than the index's: it is left out. */
static bool is_beyond_jansson(Text *text) {
  put_bytes(text, "", 1);
  text->length--;
  return strstr(text->bytes, "\\u0000") != NULL || strstr(text->bytes, "\\ud") != NULL ||
         strstr(text->bytes, "\\uD") != NULL || memchr(text->bytes, '\0', text->length) != NULL;
}

static void check_floor(const char *what, uint64_t found, uint64_t count, uint64_t percent) {
  if (found * 100 >= count * percent) {
    total.passed++;
    return;
  }
  total.failed++;
  printf("FAILED: expected at least %" PRIu64 " %% of the indexes to be %s, found %" PRIu64 "\n",
         percent, what, found);
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_COUNT, compared = 0;
  Text text = {0};
  random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20231107;
  for (uint64_t i = 0; i < count; i++) {
    make(&text);
    if (one_in(4)) change_bytes(&text);
    if (is_beyond_jansson(&text)) continue;
    compared++;
    check(&text);
  }
  free(text.bytes);
  printf("%" PRIu64 " indexes: %" PRIu64 " good\n", compared, total.good);
  check_floor("compared", compared, count, 90);
  check_floor("good", total.good, compared, 30);
  check_floor("bad", compared - total.good, compared, 30);
  if (sqlite3_memory_used() != 0) {
    total.failed++;
    printf("FAILED: %lld bytes were not freed\n", (long long)sqlite3_memory_used());
  }
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
