#include "format/lint_header.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "format/json_load.h"
#include "format/lint_entry.h"
#include "format/lint_layout.h"
#include "format/signature.h"

enum { DATA_ALIGNMENT = 8, CLIPPED_NAME = 200 /* a name in a message, and some words */ };

/* Marks a tensor that a later one of the same name takes the place of. */
#define REPLACED UINT64_MAX

typedef unsigned long long Big; /* for "%llu" */

/* ---- The first bytes ---- */

static bool check_signature(Findings *findings, const unsigned char *first, uint64_t size) {
  const Signature *signature = signature_find(first, (size_t)size);
  if (signature == NULL) return false;
  findings_add(findings, lint_code_find(signature->code), 0,
               "expected a safetensors file, found %s", signature->name);
  return true;
}

bool header_lint_prefix(HeaderLint *lint, Findings *findings, const unsigned char *first,
                        uint64_t file_size, uint64_t *length) {
  uint64_t size = file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE;
  lint->walk.findings = findings;
  lint->file_size = file_size;
  if (file_size == 0) {
    findings_add(findings, LINT_EMPTY, 0, "expected a safetensors file, found an empty file");
    return false;
  }
  if (header_length(first, file_size, length)) {
    /* Chance may make a header's length of another format's first bytes. */
    static const char starts[] = "{ \t\r\n";
    bool plausible =
        *length > 0 && memchr(starts, first[HEADER_PREFIX_SIZE], sizeof starts - 1) != NULL;
    return plausible || !check_signature(findings, first, size);
  }
  if (check_signature(findings, first, size)) return false;
  if (file_size < HEADER_PREFIX_SIZE) {
    findings_add(findings, LINT_HEADER_TOO_SMALL, file_size,
                 "expected at least 8 bytes, found %llu", (Big)file_size);
    return false;
  }
  *length = header_prefix(first);
  if (*length > HEADER_MAX_LENGTH) {
    findings_add(findings, LINT_HEADER_TOO_LARGE, 0,
                 "expected a header of at most %d bytes, found a length of %llu", HEADER_MAX_LENGTH,
                 (Big)*length);
    return false;
  }
  findings_add(findings, LINT_TRUNCATED, file_size,
               "expected at least %llu bytes (8 and a header of %llu), found %llu",
               (Big)*length + HEADER_PREFIX_SIZE, (Big)*length, (Big)file_size);
  *length = file_size - HEADER_PREFIX_SIZE;
  lint->walk.cut_short = true;
  return true;
}

void header_lint_start(HeaderLint *lint, char *text, uint64_t length) {
  lint->text = text;
  lint->data_offset = HEADER_PREFIX_SIZE + length;
  lint->followed = lint->ordered = true;
  lint->walk.scanner = (Scanner){.text = text, .length = (uint32_t)length};
  lint->walk.base = HEADER_PREFIX_SIZE;
  lint->walk.max_depth = JSON_MAX_DEPTH;
}

/* ---- The header ---- */

/* What cannot be followed ends the walk, and what has been seen is checked: of the keys, those of
** the header itself. */
static void stop_following(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  lint->followed = false;
  lint->stage = HEADER_NAMES;
  if (walk->depth > 0 && !walk->frames[0].keeps_keys) json_walk_drop_keys(walk, 0);
  if (walk->depth > 1) json_walk_drop_keys(walk, walk->frames[1].first_key);
}

static void start(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  const Scanner *scanner = &walk->scanner;
  uint64_t valid = utf8_valid_length(scanner->text, scanner->length);
  if (valid < scanner->length && !(walk->cut_short && scanner->length - valid < 4)) {
    json_walk_report(walk, LINT_NOT_UTF8, valid, "expected a header in UTF-8, found byte 0x%02x",
                     (unsigned char)scanner->text[valid]);
  }
  if (!walk->cut_short && lint->data_offset % DATA_ALIGNMENT != 0) {
    findings_add(walk->findings, LINT_DATA_NOT_8_ALIGNED, lint->data_offset,
                 "expected the data to start at a multiple of 8 bytes, found offset %llu",
                 (Big)lint->data_offset);
  }
  char first = json_walk_peek(walk);
  if (first == '{' && scanner->at > 0) {
    json_walk_report(walk, LINT_LEADING_WHITESPACE, 0,
                     "expected '{' first, found whitespace before it");
  }
  if (first == '{' && json_walk_enter(walk)) {
    walk->frames[0].keeps_keys = true;
    lint->stage = HEADER_MEMBERS;
    return;
  }
  uint32_t at = scanner->at;
  if (json_walk_value(walk)) {
    json_walk_report(walk, LINT_NOT_AN_OBJECT, at,
                     "expected an object as header, found another value");
  }
  stop_following(lint);
}

/* What is behind the header's closing brace. */
static void check_padding(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  Scanner *scanner = &walk->scanner;
  uint32_t at = scanner->at;
  if (json_walk_peek(walk) != '\0' || scanner->at < scanner->length) {
    json_walk_not_json(walk, "only spaces after the header's '}'");
    return;
  }
  while (at < scanner->length && scanner->text[at] == ' ') at++;
  if (at == scanner->length) return;
  json_walk_report(walk, LINT_PADDING_NOT_SPACES, at,
                   "expected spaces (0x20) as padding, found byte 0x%02x",
                   (unsigned char)scanner->text[at]);
}

static void check_order(HeaderLint *lint, const TensorEntry *entry) {
  if (lint->ordered && entry->begin < lint->last_begin) {
    lint->ordered = false;
    json_walk_report(
        &lint->walk, LINT_HEADER_NOT_IN_OFFSET_ORDER, entry->name.offset - 1,
        "expected tensors in the order of their data, found this one behind one whose data "
        "follows");
  }
  lint->last_begin = entry->begin;
}

static bool add_tensor(HeaderLint *lint, const TensorEntry *entry) {
  if (!memory_reserve((void **)&lint->tensors, &lint->tensor_capacity, lint->tensor_count,
                      sizeof *entry)) {
    lint->walk.findings->out_of_memory = true;
    return false;
  }
  lint->tensors[lint->tensor_count++] = *entry;
  return true;
}

static bool take_metadata(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  char first = json_walk_peek(walk);
  uint32_t at = walk->scanner.at;
  if (first == '{') {
    lint->stage = HEADER_METADATA;
    if (!json_walk_enter(walk)) return false;
    walk->frames[walk->depth - 1].keeps_keys = true;
    return true;
  }
  if (scanner_null(&walk->scanner)) {
    json_walk_report(walk, LINT_NULL_METADATA, at,
                     "expected an object of strings as __metadata__, found null");
    return true;
  }
  return json_walk_wrong_value(walk, LINT_BAD_METADATA, "an object of strings as __metadata__");
}

static bool take_tensor(HeaderLint *lint, Span name) {
  TensorEntry entry = {.name = name};
  bool placed;
  findings_set_tensor(lint->walk.findings, lint->text + name.offset, name.length);
  if (!lint_entry(&lint->walk, &entry, &placed)) return false;
  if (!placed) {
    lint->followed = false;
    return true;
  }
  check_order(lint, &entry);
  return add_tensor(lint, &entry);
}

static bool is_metadata(const HeaderLint *lint, Span key) {
  static const char metadata[] = "__metadata__";
  return key.length == sizeof metadata - 1 &&
         memcmp(lint->text + key.offset, metadata, key.length) == 0;
}

static bool take_member(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  Span key;
  bool more;
  if (!json_walk_next_key(walk, &key, &more)) return false;
  if (!more) {
    if (!walk->cut_short) check_padding(lint);
    lint->stage = HEADER_NAMES;
    return true;
  }
  return is_metadata(lint, key) ? take_metadata(lint) : take_tensor(lint, key);
}

static bool take_metadata_member(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  Span key, ignored;
  bool more;
  if (!json_walk_next_key(walk, &key, &more)) return false;
  if (!more) {
    lint->stage = HEADER_METADATA_KEYS;
    return true;
  }
  if (json_walk_peek(walk) == '"') return json_walk_string(walk, &ignored);
  char expected[CLIPPED_NAME];
  snprintf(expected, sizeof expected, "a string as value of __metadata__ key \"%.*s\"",
           ERROR_NAME(lint->text + key.offset, key.length));
  return json_walk_wrong_value(walk, LINT_BAD_METADATA, expected);
}

/* ---- Duplicates ---- */

/* The number of the metadata's first key: its frame has just been left. */
static uint32_t first_metadata_key(const JsonWalk *walk) {
  return walk->frames[1].first_key;
}

static void check_metadata_keys(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  uint32_t first = first_metadata_key(walk), duplicate, earlier = 0;
  if (!json_walk_next_duplicate(walk, first, &duplicate, &earlier)) return;
  if (duplicate < walk->key_count) {
    json_walk_report_duplicate(walk, duplicate, earlier);
    return;
  }
  json_walk_drop_keys(walk, first);
  lint->stage = HEADER_MEMBERS;
}

/* The tensor whose name is key number `key`: they are in the same order. NULL when it is none. */
static TensorEntry *find_tensor(const HeaderLint *lint, uint32_t key) {
  uint32_t offset = lint->walk.keys[key].offset, low = 0, high = lint->tensor_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (lint->tensors[middle].name.offset < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bool found = low < lint->tensor_count && lint->tensors[low].name.offset == offset;
  return found ? &lint->tensors[low] : NULL;
}

/* Of tensors of one name the reference takes the last: so does the layout. */
static void check_names(HeaderLint *lint) {
  JsonWalk *walk = &lint->walk;
  uint32_t duplicate, earlier = 0;
  if (!json_walk_next_duplicate(walk, 0, &duplicate, &earlier)) return;
  if (duplicate == walk->key_count) {
    lint->stage = HEADER_LAYOUT;
    return;
  }
  Span name = walk->keys[duplicate];
  if (!is_metadata(lint, name)) {
    findings_set_tensor(walk->findings, lint->text + name.offset, name.length);
  }
  json_walk_report_duplicate(walk, duplicate, earlier);
  TensorEntry *replaced = find_tensor(lint, earlier);
  if (replaced != NULL) replaced->begin = REPLACED;
}

static void sort_layout(HeaderLint *lint) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < lint->tensor_count; i++) {
    if (lint->tensors[i].begin != REPLACED) lint->tensors[kept++] = lint->tensors[i];
  }
  lint->tensor_count = kept;
  tensor_entries_sort(lint->tensors, kept);
  lint->stage = lint->walk.cut_short ? HEADER_DONE : HEADER_TENSORS;
}

/* ---- Steps ---- */

/* After a member that could not be read: goes on with the next. */
static void recover(HeaderLint *lint, uint32_t depth) {
  lint->followed = false;
  if (!json_walk_recover(&lint->walk, depth)) stop_following(lint);
}

static void step(HeaderLint *lint) {
  switch (lint->stage) {
    case HEADER_START: start(lint); break;
    case HEADER_MEMBERS:
      if (!take_member(lint)) recover(lint, 1);
      break;
    case HEADER_METADATA:
      if (!take_metadata_member(lint)) recover(lint, 2);
      break;
    case HEADER_METADATA_KEYS: check_metadata_keys(lint); break;
    case HEADER_NAMES: check_names(lint); break;
    case HEADER_LAYOUT: sort_layout(lint); break;
    case HEADER_TENSORS:
      if (lint->tensor == lint->tensor_count) {
        lint->stage = HEADER_DATA_END;
      } else {
        lint_layout_tensor(lint);
        lint->tensor++;
      }
      break;
    case HEADER_DATA_END:
      lint_layout_end(lint);
      lint->stage = HEADER_DONE;
      break;
    case HEADER_DONE: break;
  }
}

bool header_lint_step(HeaderLint *lint) {
  if (lint->stage == HEADER_DONE) return false;
  step(lint);
  findings_set_tensor(lint->walk.findings, NULL, 0);
  return !lint->walk.findings->out_of_memory;
}

void header_lint_clear(HeaderLint *lint) {
  json_walk_clear(&lint->walk);
  memory_free(lint->tensors);
  memory_free(lint->text);
  *lint = (HeaderLint){0};
}
