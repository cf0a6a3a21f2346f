/*
** header_parse() against jansson, on random headers.
**
** The extension reads JSON by itself, and jansson is the authority on it. So here jansson reads each
** header whole, as one DOM, this program applies the format's rules to that, and the two readings must
** agree: on whether the header is valid and, if so, on every name, dtype, shape, offset and metadata
** pair.
**
** The extension reads plain entries in a short way of their own. So each header is also read with that
** way shut, and the two readings must agree on all that they report, faults as well.
**
**     header_differential [COUNT [SEED]]
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
#include "format/header_reader.h"
#include "header_authority.h"
#include "random_headers.h"

enum { DEFAULT_COUNT = 150000, SHOWN_DIFFERENCES = 10 };

/* ---- Counting ---- */

static struct { uint64_t passed, failed, valid, plain, usual; } total;

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

/* ---- The short way for plain entries against the long one ---- */

typedef struct Reading {
  HeaderReader reader;
  Text said; /* all events and faults */
} Reading;

static void say_span(Reading *reading, Span span) {
  put_format(&reading->said, "%u+%u ", span.offset, span.length);
  put_bytes(&reading->said, reading->reader.walk.cursor.text + span.offset, span.length);
}

static bool say_fault(void *context, const JsonFault *fault) {
  Reading *reading = context;
  put_format(&reading->said, "\nfault %d at %" PRIu64 ": ", fault->kind, fault->at);
  put(&reading->said, fault->expected != NULL ? fault->expected : "");
  put(&reading->said, fault->found != NULL ? fault->found : "the end");
  return true;
}

static void say_event(Reading *reading, HeaderReaderEvent event) {
  const HeaderReader *reader = &reading->reader;
  const TensorEntry *entry = &reader->entry;
  put_format(&reading->said, "\nevent %d, ", (int)event);
  say_span(reading, reader->name);
  if (event == HEADER_READER_PAIR) say_span(reading, reader->pair.value);
  if (event != HEADER_READER_TENSOR) return;
  put_format(&reading->said, " dtype %d, placed %d, ", (int)entry->dtype, reader->placed);
  say_span(reading, entry->shape);
  if (!reader->placed) return;
  put_format(&reading->said, " %" PRIu64 " to %" PRIu64, entry->begin, entry->end);
}

/* Reads a header to its end, as the check does. Returns how many entries were plain. */
static uint64_t read_header(Reading *reading, const char *text, size_t length, bool thorough) {
  HeaderReader *reader = &reading->reader;
  Error error = {0};
  HeaderReaderEvent event;
  bool more;
  char *copy = must_have(malloc(length + 1));
  memcpy(copy, text, length);
  *reader = (HeaderReader){.walk = {.cursor = {.text = copy, .length = (uint32_t)length},
                                    .sink = say_fault,
                                    .context = reading,
                                    .subject = "test",
                                    .error = &error},
                           .thorough = thorough};
  reading->said.length = 0;
  if (json_cursor_peek(&reader->walk.cursor) == '{' && header_reader_start(reader)) {
    do {
      event = header_reader_next(reader);
      say_event(reading, event);
      more = event != HEADER_READER_END &&
             (event != HEADER_READER_FAILED || header_reader_recover(reader));
    } while (more);
  }
  json_walk_clear(&reader->walk);
  free(copy);
  return reader->plain;
}

/* Whether the two ways report the same. *plain is the number of entries that took the short one. */
static bool ways_agree(const char *text, size_t length, uint64_t *plain) {
  static Reading ways, thorough;
  *plain = read_header(&ways, text, length, false);
  total.usual += ways.reader.usual > 0;
  return read_header(&thorough, text, length, true) == 0 &&
         ways.said.length == thorough.said.length &&
         (ways.said.length == 0 ||
          memcmp(ways.said.bytes, thorough.said.bytes, ways.said.length) == 0);
}

static HeaderBuffers used; /* have had other headers before, as those of a session have */

/* Parses the header in these, or in memory of exact size. */
static Header *parse_in_turn(const char *text, size_t length, uint64_t file_size, Error *error) {
  static uint64_t count;
  HeaderBuffers exact = {.text = must_have(memory_alloc(length)), .text_size = length};
  HeaderBuffers *buffers = count++ % 3 != 0 ? &exact : &used;
  memcpy(must_have(header_buffers_text(buffers, length)), text, length);
  Header *header = header_parse(buffers, length, file_size, "test", NULL, error);
  header_buffers_clear(&exact);
  return header;
}

static void check_header(const char *text, size_t length, uint64_t data_size) {
  Expected expected = {0};
  Error error = {0};
  const char *problem = judge(text, length, data_size, &expected), *different = NULL;
  Header *header = parse_in_turn(text, length, HEADER_PREFIX_SIZE + length + data_size, &error);
  uint64_t plain;
  if (!ways_agree(text, length, &plain)) {
    different = "the short and the long way of the reader";
  } else if ((header != NULL) != (problem == NULL)) {
    different = "the verdict";
  } else if (header != NULL) {
    different = compare(header, &expected);
    total.valid++;
    total.plain += plain == header->tensor_count;
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
      {1, ONE_TENSOR("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]")},
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
}

static void check_headers_at_random(uint64_t count) {
  static Maker maker;
  total.valid = total.plain = total.usual = 0;
  for (uint64_t i = 0; i < count; i++) {
    make_header(&maker);
    check_header(maker.text.bytes, maker.text.length, maker.data_size);
  }
  free(maker.text.bytes);
  printf("%" PRIu64 " headers: %" PRIu64 " valid (%" PRIu64 " plain, %" PRIu64 " not), %" PRIu64
         " invalid\n",
         count, total.valid, total.plain, total.valid - total.plain, count - total.valid);
  check_floor("valid", total.valid, count, 33);
  check_floor("valid and plain", total.plain, count, 20);
  check_floor("valid and not plain", total.valid - total.plain, count, 10);
  check_floor("written in the usual way, in a part", total.usual, count, 5);
  check_floor("invalid", count - total.valid, count, 25);
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_COUNT;
  random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20220922;
  use_exact_memory();
  check_known_headers();
  check_headers_at_random(count);
  header_buffers_clear(&used);
  if (sqlite3_memory_used() != 0) {
    total.failed++;
    printf("FAILED: %lld bytes were not freed\n", (long long)sqlite3_memory_used());
  }
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
