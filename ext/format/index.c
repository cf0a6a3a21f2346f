#include "format/index.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "format/signature.h"
#include "json/json_string.h"

/* ---- Names of shards ---- */

static const char *index_byte_problem(const char *at, uint64_t left) {
  unsigned char byte = (unsigned char)at[0];
  if (byte < 0x20 || byte == 0x7f) return "a control character";
  if (byte == 0xc2 && left > 1 && (unsigned char)at[1] < 0xa0) {
    return "a control character"; /* U+0080 to U+009F */
  }
  if (byte == '\\') return "a backslash";
  return byte == ':' ? "a colon, as in a URL or after a drive letter" : NULL;
}

static bool index_is_dot(const char *name, uint64_t length) {
  return length == 1 && name[0] == '.';
}

const char *index_shard_problem(const char *name, uint64_t length) {
  if (length == 0) return "an empty name";
  if (name[0] == '/') return "an absolute path";
  uint64_t start = 0; /* the start of the component */
  for (uint64_t i = 0; i < length; i++) {
    const char *problem = index_byte_problem(name + i, length - i);
    if (problem != NULL) return problem;
    bool ends = i + 1 == length || name[i + 1] == '/';
    if (name[i] == '/') {
      start = i + 1;
    } else if (ends && i == start + 1 && name[start] == '.' && name[i] == '.') {
      return "'..', which leads out of a directory";
    }
  }
  if (start == length) return "the name of a directory: '/' at its end";
  return index_is_dot(name + start, length - start) ? "the name of a directory: '.'" : NULL;
}

uint64_t index_shard_simplify(char *name, uint64_t length) {
  uint64_t kept = 0;
  for (uint64_t start = 0, end; start < length; start = end + 1) {
    end = start;
    while (end < length && name[end] != '/') end++;
    if (end == start || index_is_dot(name + start, end - start)) continue;
    if (kept > 0) name[kept++] = '/';
    memmove(name + kept, name + start, end - start);
    kept += end - start;
  }
  return kept;
}

const char *index_start_problem(const char *text, uint64_t length, const char **code) {
  uint64_t start = 0;
  while (start < length && json_is_space(text[start])) start++;
  if (code != NULL) *code = NULL;
  if (start == length) return length == 0 ? "an empty file" : "spaces alone";
  if (text[start] == '{') return NULL;
  const Signature *signature =
      text[start] == '[' ? NULL : signature_find((const unsigned char *)text, (size_t)length);
  if (signature == NULL) return text[start] == '[' ? "an array" : "something else";
  if (code != NULL) *code = signature->code;
  return signature->name;
}

void index_free(Index *index) {
  if (index == NULL) return;
  path_list_clear(&index->shards);
  memory_free(index->verified_shards);
  memory_free(index->entries);
  memory_free(index->slots);
  memory_free(index);
}

/* ---- Tensors ---- */

uint64_t index_hash(const Index *index, const char *name, uint64_t length) {
  return XXH3_64bits_withSeed(name, (size_t)length, index->seed);
}

/* The part of a hash that is in a slot, at its place. An index has less than 2^27 entries. */
static uint32_t index_tag(const Index *index, uint64_t hash) {
  return (uint32_t)(hash >> 32) << index->entry_bits;
}

uint32_t index_slot_value(const Index *index, uint32_t entry) {
  return index_tag(index, index->entries[entry].hash) | (entry + 1);
}

uint32_t index_slot_entry(const Index *index, uint32_t value) {
  return (value & (((uint32_t)1 << index->entry_bits) - 1)) - 1;
}

/* Entries of other hashes are mostly passed over without looking at them, which takes time because they
** are in none of the processor's caches. */
uint32_t *index_slot(const Index *index, uint64_t hash) {
  uint32_t tag = index_tag(index, hash);
  for (uint64_t at = hash & index->mask;; at = (at + 1) & index->mask) {
    uint32_t value = index->slots[at];
    if (value == 0) return &index->slots[at];
    if ((value ^ tag) >> index->entry_bits != 0) continue;
    if (index->entries[index_slot_entry(index, value)].hash == hash) return &index->slots[at];
  }
}

bool index_find(const Index *index, const char *name, uint64_t length, uint32_t *entry) {
  uint32_t value = *index_slot(index, index_hash(index, name, length));
  if (value == 0) return false;
  *entry = index_slot_entry(index, value);
  return true;
}

bool index_find_next(const Index *index, const char *name, uint64_t length, uint32_t *entry) {
  uint64_t hash = index_hash(index, name, length);
  uint32_t next = *entry + 1;
  if (next < index->entry_count && index->entries[next].hash == hash) {
    *entry = next;
    return true;
  }
  uint32_t value = *index_slot(index, hash);
  if (value == 0) return false;
  *entry = index_slot_entry(index, value);
  return true;
}

void index_estimate_headers(const Index *index, uint64_t *sizes) {
  uint64_t rest = 0;
  for (uint32_t i = 0; i < index->entry_count; i++) {
    const IndexEntry *entry = &index->entries[i];
    uint64_t shard = strlen(index->shards.paths[entry->shard]) + 6; /* four quotes, colon, comma */
    if (i + 1 < index->entry_count)
      rest = entry[1].at - entry->at; /* the last is like the one before */
    sizes[entry->shard] += INDEX_HEADER_ENTRY + (rest > shard ? rest - shard : 0);
  }
}

uint64_t index_memory(const Index *index) {
  uint64_t memory = sizeof *index + index->shards.count * sizeof(FileIdentity) +
                    (uint64_t)index->entry_count * sizeof(IndexEntry) +
                    (index->mask + 1) * sizeof(uint32_t);
  return memory;
}

/* ---- The file ---- */

bool index_input_read(const IndexInput *input, char *buffer, uint64_t offset, uint64_t size,
                      Error *error) {
  if (input->text == NULL) {
    return file_read(input->descriptor, input->path, buffer, size, offset, error);
  }
  memcpy(buffer, input->text + offset, (size_t)size);
  return true;
}

bool index_raise_fault(const char *subject, const JsonFault *fault, Error *error) {
  return error_raise(error, ERROR_INVALID, subject,
                     "index is not JSON: expected %s at offset %llu, found %s", fault->expected,
                     (unsigned long long)fault->at,
                     fault->found != NULL ? fault->found : "the index's end");
}

char *index_input_name(const IndexInput *input, uint32_t at, Error *error) {
  enum { INDEX_MAX_EXCERPT = 4096 /* a message shows less */ };
  char text[INDEX_MAX_EXCERPT + 1];
  uint64_t left = input->size - at, size = left < INDEX_MAX_EXCERPT ? left : INDEX_MAX_EXCERPT;
  if (!index_input_read(input, text, at, size, error)) return NULL;
  JsonCursor cursor = {.text = text, .length = (uint32_t)size};
  Span name;
  if (json_string_take(&cursor, &name) != NULL) {
    /* The name is longer than the excerpt, so it is shown up to its first escape. */
    name = (Span){1, json_cursor_plain_end(&cursor, 1) - 1};
  }
  char *copy = memory_copy_text(text + name.offset, name.length);
  if (copy == NULL) error_memory(error);
  return copy;
}

char *index_entry_name(const Index *index, uint32_t entry, const char *path, Error *error) {
  uint32_t at = index->entries[entry].at;
  FileIdentity identity;
  Error problem = {0};
  int descriptor = file_open(path, &identity, &problem);
  IndexInput input = {.path = path, .descriptor = descriptor, .size = identity.size};
  char *name =
      descriptor >= 0 && at < identity.size ? index_input_name(&input, at, &problem) : NULL;
  if (descriptor >= 0) file_close(descriptor);
  if (!error_forgive(error, &problem)) return NULL;
  if (name != NULL && index_hash(index, name, strlen(name)) == index->entries[entry].hash)
    return name;
  memory_free(name);
  name = sqlite3_mprintf("at offset %u of the index", at);
  if (name == NULL) error_memory(error);
  return name;
}
