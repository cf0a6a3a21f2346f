#include "check/lint_header.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "format/signature.h"

enum { LINT_HEADER_DATA_ALIGNMENT = 8 };

/* Replaces the begin of a tensor that a later one of the same name replaces. */
#define LINT_HEADER_REPLACED UINT64_MAX

typedef unsigned long long LintHeaderBig; /* for "%llu" */

/* ---- The first bytes ---- */

static bool lint_header_check_signature(Findings *findings, const unsigned char *first,
                                        uint64_t size) {
  const Signature *signature = signature_find(first, (size_t)size);
  if (signature == NULL) return false;
  findings_add(findings, lint_code_find(signature->code), 0,
               "expected a safetensors file, found %s", signature->name);
  return true;
}

/* Returns the code for a header that begins with neither '{' nor white space, as far as its first
** bytes show. */
static LintCode lint_header_code_of_start(const unsigned char *first, uint64_t size) {
  enum { LINT_HEADER_MAX_CHARACTER = 4 };
  const char *text = (const char *)first + HEADER_PREFIX_SIZE;
  uint64_t length = header_prefix(first), left = size - HEADER_PREFIX_SIZE;
  uint64_t shown = length < left ? length : left;
  uint64_t cut =
      length > left && shown >= LINT_HEADER_MAX_CHARACTER ? LINT_HEADER_MAX_CHARACTER - 1 : 0;
  if (utf8_valid_length(text, shown) < shown - cut) return LINT_NOT_UTF8;
  bool is_value = shown > 0 && text[0] != '\0' && strchr("[\"tfn-0123456789", text[0]) != NULL;
  return is_value ? LINT_NOT_AN_OBJECT : LINT_NOT_JSON;
}

/* Reports that the file begins neither with a header nor as any known format does. The message
** quotes no byte. */
static void lint_header_report_no_header(Findings *findings, const unsigned char *first,
                                         uint64_t size) {
  if (size < HEADER_PREFIX_SIZE) {
    findings_add(findings, LINT_HEADER_TOO_SMALL, size, "expected at least 8 bytes, found %llu",
                 (LintHeaderBig)size);
  } else if (header_prefix(first) > HEADER_MAX_LENGTH) {
    findings_add(findings, LINT_HEADER_TOO_LARGE, 0,
                 "expected a header of at most %d bytes, found a larger length", HEADER_MAX_LENGTH);
  } else if (size == HEADER_PREFIX_SIZE) {
    findings_add(findings, LINT_TRUNCATED, size,
                 "expected a header behind the first 8 bytes, found the end of the file");
  } else {
    findings_add(findings, lint_header_code_of_start(first, size), HEADER_PREFIX_SIZE,
                 "expected a header that begins with '{', found none");
  }
}

bool header_lint_prefix(HeaderLint *lint, Findings *findings, const unsigned char *first,
                        uint64_t file_size, uint64_t *length) {
  uint64_t size = file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE;
  lint->findings = findings;
  lint->file_size = file_size;
  if (file_size == 0) {
    findings_add(findings, LINT_EMPTY, 0, "expected a safetensors file, found an empty file");
    return false;
  }
  bool fits = header_length(first, file_size, length);
  if (!header_is_plausible(first, size)) {
    if (!lint_header_check_signature(findings, first, size))
      lint_header_report_no_header(findings, first, size);
    return false;
  }
  if (fits) return true;
  *length = header_prefix(first);
  findings_add(findings, LINT_TRUNCATED, file_size,
               "expected at least %llu bytes (8 and a header of %llu), found %llu",
               (LintHeaderBig)*length + HEADER_PREFIX_SIZE, (LintHeaderBig)*length,
               (LintHeaderBig)file_size);
  *length = file_size - HEADER_PREFIX_SIZE;
  lint->reader.walk.cut_short = true;
  return true;
}

/* ---- Faults of the reader ---- */

static LintCode lint_header_code_of(int fault) {
  static const LintCode codes[] = {[JSON_FAULT_SYNTAX] = LINT_NOT_JSON,
                                   [JSON_FAULT_DUPLICATE_KEY] = LINT_DUPLICATE_KEY,
                                   [JSON_FAULT_NUL_IN_KEY] = LINT_NUL_IN_KEY,
                                   [JSON_FAULT_NUMBER] = LINT_BAD_NUMBER,
                                   [JSON_FAULT_ODD] = LINT_NOT_JSON, /* does not occur by the strict
                                                                        rules */
                                   [HEADER_FAULT_METADATA] = LINT_BAD_METADATA,
                                   [HEADER_FAULT_METADATA_VALUE] = LINT_BAD_METADATA,
                                   [HEADER_FAULT_ENTRY] = LINT_BAD_ENTRY,
                                   [HEADER_FAULT_DTYPE] = LINT_BAD_DTYPE,
                                   [HEADER_FAULT_SHAPE] = LINT_BAD_SHAPE,
                                   [HEADER_FAULT_DIMENSION] = LINT_OVERFLOW,
                                   [HEADER_FAULT_OFFSETS] = LINT_BAD_OFFSETS,
                                   [HEADER_FAULT_REVERSED_OFFSETS] = LINT_BAD_OFFSETS};
  return codes[fault];
}

static void lint_header_set_tensor(HeaderLint *lint, Span name) {
  findings_set_tensor(lint->findings, lint->text + name.offset, name.length);
}

/* The sink of the walk, which converts each fault into a finding. */
static bool lint_header_note(void *context, const JsonFault *fault) {
  HeaderLint *lint = context;
  LintCode code = lint_header_code_of(fault->kind);
  const char *found = fault->found != NULL ? fault->found : "the end";
  Span name = lint->reader.name;
  if (lint->reader.in_entry) lint_header_set_tensor(lint, name);
  if (fault->expected == NULL) {
    findings_add(lint->findings, code, fault->at, "%s", found);
  } else if (fault->kind == HEADER_FAULT_METADATA_VALUE) {
    findings_add(lint->findings, code, fault->at,
                 "expected %s as value of __metadata__ key \"%.*s\", found %s", fault->expected,
                 ERROR_NAME(lint->text + name.offset, name.length), found);
  } else {
    findings_add(lint->findings, code, fault->at, "expected %s, found %s", fault->expected, found);
  }
  return !lint->findings->failed;
}

void header_lint_start(HeaderLint *lint, char *text, uint64_t length) {
  JsonWalk *walk = &lint->reader.walk;
  Findings *findings = lint->findings;
  lint->text = text;
  lint->followed = lint->ordered = true;
  lint->layout = (LayoutLint){.findings = findings,
                              .text = text,
                              .file_size = lint->file_size,
                              .data_offset = HEADER_PREFIX_SIZE + length};
  walk->cursor = (JsonCursor){.text = text, .length = (uint32_t)length};
  walk->base = HEADER_PREFIX_SIZE;
  walk->sink = lint_header_note;
  walk->context = lint;
  walk->cancel = findings->cancel;
  walk->subject = findings->file != NULL ? findings->file : "BLOB";
  walk->error = &findings->problem;
}

/* ---- The header ---- */

/* Adds a finding about an offset in the header. */
#define LINT_HEADER_ADD(lint, code, at, ...) \
  findings_add((lint)->findings, (code), HEADER_PREFIX_SIZE + (uint64_t)(at), __VA_ARGS__)

static void lint_header_start(HeaderLint *lint) {
  JsonWalk *walk = &lint->reader.walk;
  const JsonCursor *cursor = &walk->cursor;
  uint64_t valid = utf8_valid_length(cursor->text, cursor->length);
  if (valid < cursor->length && !(walk->cut_short && cursor->length - valid < 4)) {
    LINT_HEADER_ADD(lint, LINT_NOT_UTF8, valid, "expected a header in UTF-8, found byte 0x%02x",
                    (unsigned char)cursor->text[valid]);
  }
  uint64_t data_offset = lint->layout.data_offset;
  if (!walk->cut_short && data_offset % LINT_HEADER_DATA_ALIGNMENT != 0) {
    findings_add(lint->findings, LINT_DATA_NOT_8_ALIGNED, data_offset,
                 "expected the data to start at a multiple of 8 bytes, found offset %llu",
                 (LintHeaderBig)data_offset);
  }
  char first = json_cursor_peek(&walk->cursor);
  if (first == '{' && cursor->at > 0) {
    LINT_HEADER_ADD(lint, LINT_LEADING_WHITESPACE, 0,
                    "expected '{' first, found whitespace before it");
  }
  if (first == '{' && header_reader_start(&lint->reader)) {
    lint->stage = HEADER_LINT_MEMBERS;
    return;
  }
  uint32_t at = cursor->at;
  if (json_walk_value(walk)) {
    LINT_HEADER_ADD(lint, LINT_NOT_AN_OBJECT, at,
                    "expected an object as header, found another value");
  }
  lint->followed = false;
  lint->stage = HEADER_LINT_NAMES;
}

/* Checks what is behind the header's closing brace. */
static void lint_header_check_padding(HeaderLint *lint) {
  JsonWalk *walk = &lint->reader.walk;
  JsonCursor *cursor = &walk->cursor;
  uint32_t at = cursor->at;
  json_cursor_skip_space(cursor);
  if (cursor->at < cursor->length) {
    json_walk_not_json(walk, "only spaces after the header's '}'");
    return;
  }
  while (at < cursor->length && cursor->text[at] == ' ') at++;
  if (at == cursor->length) return;
  LINT_HEADER_ADD(lint, LINT_PADDING_NOT_SPACES, at,
                  "expected spaces (0x20) as padding, found byte 0x%02x",
                  (unsigned char)cursor->text[at]);
}

static void lint_header_check_order(HeaderLint *lint, const TensorEntry *entry) {
  if (lint->ordered && entry->begin < lint->last_begin) {
    lint->ordered = false;
    LINT_HEADER_ADD(
        lint, LINT_HEADER_NOT_IN_OFFSET_ORDER, entry->name.offset - 1,
        "expected tensors in the order of their data, found this one behind one whose data "
        "follows");
  }
  lint->last_begin = entry->begin;
}

static void lint_header_add_key(HeaderLint *lint, Span key) {
  if (!memory_reserve((void **)&lint->keys, &lint->key_capacity, lint->key_count, sizeof key)) {
    findings_fail_memory(lint->findings);
  } else {
    lint->keys[lint->key_count++] = key;
  }
}

static void lint_header_add_tensor(HeaderLint *lint) {
  const HeaderReader *reader = &lint->reader;
  const TensorEntry *entry = &reader->entry;
  lint_header_set_tensor(lint, entry->name);
  lint_header_add_key(lint, entry->name);
  if (!reader->placed) {
    lint->followed = false;
    return;
  }
  lint_header_check_order(lint, entry);
  if (!memory_reserve((void **)&lint->tensors, &lint->tensor_capacity, lint->tensor_count,
                      sizeof *entry)) {
    findings_fail_memory(lint->findings);
  } else {
    lint->tensors[lint->tensor_count++] = *entry;
  }
}

static void lint_header_add_metadata(HeaderLint *lint) {
  lint_header_add_key(lint, lint->reader.name);
  lint->first_pair_key = lint->key_count;
  if (!lint->reader.is_null) return;
  LINT_HEADER_ADD(lint, LINT_NULL_METADATA, lint->reader.at,
                  "expected an object of strings as __metadata__, found null");
}

/* Under this key torch.distributed.checkpoint records where in its tensor each slice begins:
** {"NAME": {"saved_offsets": [48, 0]}, ...}. Source: torch/distributed/checkpoint/_hf_utils.py and
** hf_storage.py. */
static void lint_header_note_distribution(HeaderLint *lint, Span key, Span value) {
  static const char name[] = "DCP_SHARDING_INFO", offsets[] = "saved_offsets";
  const char *text = lint->text + value.offset, *end = text + value.length;
  if (key.length != sizeof name - 1) return;
  if (memcmp(lint->text + key.offset, name, key.length) != 0) return;
  lint->distributed = true;
  uint64_t row = 0;
  while (!lint->sliced && findings_go_on(lint->findings, row++)) {
    text = memory_find(text, (uint64_t)(end - text), offsets, sizeof offsets - 1);
    if (text == NULL) return;
    for (; text < end && *text != ']'; text++) {
      if (*text >= '1' && *text <= '9') lint->sliced = true;
    }
  }
}

static void lint_header_add_pair(HeaderLint *lint) {
  MetadataEntry pair = lint->reader.pair;
  lint_header_add_key(lint, pair.key);
  if (pair.value.offset > 0) lint_header_note_distribution(lint, pair.key, pair.value);
}

/* Ends the reading of a header that cannot be followed. What has been read is still checked. */
static void lint_header_stop_following(HeaderLint *lint) {
  lint->followed = false;
  if (lint->reader.in_pairs) lint->key_count = lint->first_pair_key;
  lint->stage = HEADER_LINT_NAMES;
}

/* Continues behind a member that could not be read, if possible. Its key counts for duplicates if
** it is known. */
static void lint_header_recover(HeaderLint *lint) {
  HeaderReader *reader = &lint->reader;
  lint->followed = false;
  if (reader->name.offset > 0) lint_header_add_key(lint, reader->name);
  if (reader->in_entry) lint_header_set_tensor(lint, reader->name);
  if (!header_reader_recover(reader)) lint_header_stop_following(lint);
}

static void lint_header_take_member(HeaderLint *lint) {
  HeaderReader *reader = &lint->reader;
  switch (header_reader_next(reader)) {
    case HEADER_READER_TENSOR: lint_header_add_tensor(lint); break;
    case HEADER_READER_METADATA: lint_header_add_metadata(lint); break;
    case HEADER_READER_PAIR: lint_header_add_pair(lint); break;
    case HEADER_READER_METADATA_END: lint->stage = HEADER_LINT_METADATA_KEYS; break;
    case HEADER_READER_FAILED: lint_header_recover(lint); break;
    case HEADER_READER_END:
      if (!reader->walk.cut_short) lint_header_check_padding(lint);
      lint->stage = HEADER_LINT_NAMES;
      break;
  }
}

/* ---- Duplicates ---- */

/* Finds the next key, among those from number `first` on, that equals an earlier one. If there is
** none, sets *duplicate to the number of keys. Returns false if the check cannot continue. */
static bool lint_header_next_duplicate(HeaderLint *lint, uint32_t first, uint32_t *duplicate,
                                       uint32_t *earlier) {
  uint32_t count = lint->key_count - first;
  const Span *keys = count > 0 ? lint->keys + first : NULL; /* there may be none at all */
  if (lint->names.slots == NULL) {
    lint->key = 0;
    if (!name_table_start(&lint->names, lint->text, keys, sizeof *keys, count)) {
      findings_fail_memory(lint->findings);
      return false;
    }
  }
  while (lint->key < count) {
    uint32_t key = lint->key++;
    if (!findings_go_on(lint->findings, key)) return false;
    if (name_table_add(&lint->names, key, earlier)) continue;
    *duplicate = first + key;
    *earlier += first;
    return true;
  }
  name_table_free(&lint->names);
  *duplicate = lint->key_count;
  return true;
}

static void lint_header_report_duplicate(HeaderLint *lint, Span key, Span earlier) {
  LINT_HEADER_ADD(lint, LINT_DUPLICATE_KEY, key.offset - 1,
                  "expected each key once, found \"%.*s\" again, after offset %llu",
                  ERROR_NAME(lint->text + key.offset, key.length),
                  (LintHeaderBig)HEADER_PREFIX_SIZE + earlier.offset - 1);
}

static void lint_header_check_metadata_keys(HeaderLint *lint) {
  uint32_t duplicate, earlier = 0;
  if (!lint_header_next_duplicate(lint, lint->first_pair_key, &duplicate, &earlier)) return;
  if (duplicate < lint->key_count) {
    lint_header_report_duplicate(lint, lint->keys[duplicate], lint->keys[earlier]);
    return;
  }
  lint->key_count = lint->first_pair_key;
  lint->stage = HEADER_LINT_MEMBERS;
}

/* Returns the tensor with that very name, by binary search: tensors are in the order of the header.
** Returns NULL if there is none with known data_offsets. */
static TensorEntry *lint_header_find_tensor(const HeaderLint *lint, Span name) {
  uint32_t low = 0, high = lint->tensor_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (lint->tensors[middle].name.offset < name.offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bool found = low < lint->tensor_count && lint->tensors[low].name.offset == name.offset;
  return found ? &lint->tensors[low] : NULL;
}

/* The reference implementation uses the last of several tensors with one name, so the layout does
** so too. */
static void lint_header_check_names(HeaderLint *lint) {
  uint32_t duplicate, earlier = 0;
  if (!lint_header_next_duplicate(lint, 0, &duplicate, &earlier)) return;
  if (duplicate == lint->key_count) {
    lint->stage = HEADER_LINT_LAYOUT;
    return;
  }
  Span name = lint->keys[duplicate], before = lint->keys[earlier];
  if (!header_reader_is_metadata(lint->text, name)) lint_header_set_tensor(lint, name);
  lint_header_report_duplicate(lint, name, before);
  TensorEntry *replaced = lint_header_find_tensor(lint, before);
  if (replaced != NULL) replaced->begin = LINT_HEADER_REPLACED;
}

static void lint_header_sort_layout(HeaderLint *lint) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < lint->tensor_count; i++) {
    if (lint->tensors[i].begin != LINT_HEADER_REPLACED) lint->tensors[kept++] = lint->tensors[i];
  }
  lint->tensor_count = kept;
  lint->layout.followed = lint->followed;
  Findings *findings = lint->findings;
  if (!tensor_entries_sort(lint->tensors, kept, findings->cancel, findings->file,
                           &findings->problem)) {
    findings->failed = true;
  }
  lint->stage = lint->reader.walk.cut_short ? HEADER_LINT_DONE : HEADER_LINT_TENSORS;
}

/* ---- Steps ---- */

static void lint_header_step(HeaderLint *lint) {
  LayoutLint *layout = &lint->layout;
  switch (lint->stage) {
    case HEADER_LINT_START: lint_header_start(lint); break;
    case HEADER_LINT_MEMBERS: lint_header_take_member(lint); break;
    case HEADER_LINT_METADATA_KEYS: lint_header_check_metadata_keys(lint); break;
    case HEADER_LINT_NAMES: lint_header_check_names(lint); break;
    case HEADER_LINT_LAYOUT: lint_header_sort_layout(lint); break;
    case HEADER_LINT_TENSORS:
      if (lint->tensor == lint->tensor_count) {
        lint->stage = HEADER_LINT_DATA_END;
      } else {
        layout_lint_tensor(layout, &lint->tensors[lint->tensor++]);
      }
      break;
    case HEADER_LINT_DATA_END:
      layout_lint_end(layout);
      lint->stage = HEADER_LINT_ALIGNMENT;
      break;
    case HEADER_LINT_ALIGNMENT:
      layout_lint_alignment(layout);
      lint->stage = HEADER_LINT_CONTENTS;
      break;
    case HEADER_LINT_CONTENTS:
      layout_lint_contents(layout, lint->tensor_count);
      lint->stage = HEADER_LINT_DONE;
      break;
    case HEADER_LINT_DONE: break;
  }
}

bool header_lint_step(HeaderLint *lint) {
  Findings *findings = lint->findings;
  if (lint->stage == HEADER_LINT_DONE) return false;
  lint_header_step(lint);
  findings_set_tensor(findings, NULL, 0);
  if (lint->reader.walk.stopped) findings->failed = true;
  return !findings->failed;
}

void header_lint_clear(HeaderLint *lint) {
  json_walk_clear(&lint->reader.walk);
  name_table_free(&lint->names);
  memory_free(lint->tensors);
  memory_free(lint->keys);
  memory_free(lint->text);
  *lint = (HeaderLint){0};
}
