#include "format/header.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "base/sqlite.h"
#include "base/utf8.h"
#include "format/header_reader.h"
#include "format/signature.h"

typedef unsigned long long HeaderBig; /* for "%llu" */

/* ---- The first 8 bytes ---- */

uint64_t header_prefix(const unsigned char *bytes) {
  uint64_t value = 0;
  for (int i = HEADER_PREFIX_SIZE - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

bool header_length(const unsigned char *prefix, uint64_t file_size, uint64_t *length) {
  if (file_size < HEADER_PREFIX_SIZE) return false;
  *length = header_prefix(prefix);
  return *length > 0 && *length <= HEADER_MAX_LENGTH && *length <= file_size - HEADER_PREFIX_SIZE;
}

bool header_is_plausible(const unsigned char *first, uint64_t size) {
  if (size <= HEADER_PREFIX_SIZE) return false;
  uint64_t length = header_prefix(first);
  if (length == 0 || length > HEADER_MAX_LENGTH) return false;
  uint64_t at = HEADER_PREFIX_SIZE;
  while (at < size &&
         (first[at] == ' ' || first[at] == '\t' || first[at] == '\r' || first[at] == '\n'))
    at++;
  return at == size || first[at] == '{';
}

void header_write_length(uint64_t length, unsigned char *prefix) {
  for (int i = 0; i < HEADER_PREFIX_SIZE; i++) prefix[i] = (unsigned char)(length >> (8 * i));
}

/* Raises that a file is of another kind. The configuration of a model is in its directory, which is
** probably what was meant. */
static bool header_refuse_kind(const Signature *signature, const char *subject, Error *error) {
  size_t length = strlen(subject), directory = path_style_directory(PATH_STYLE_HERE, subject);
  bool is_configuration = strcmp(signature->code, "json") == 0 && length > 5 &&
                          strcmp(subject + length - 5, ".json") == 0;
  if (!is_configuration) {
    return error_raise(error, ERROR_INVALID, subject, "expected a safetensors file, found %s",
                       signature->name);
  }
  return error_raise(error, ERROR_INVALID, subject,
                     "expected a safetensors file, found %s; did you mean its directory, \"%.*s\"?",
                     signature->name, directory > 0 ? (int)directory : 1,
                     directory > 0 ? subject : ".");
}

bool header_refuse(const unsigned char *first, uint64_t size, uint64_t file_size,
                   const char *subject, Error *error) {
  if (file_size == 0) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected a safetensors file, found an empty file");
  }
  bool plausible = header_is_plausible(first, size);
  const Signature *signature = plausible ? NULL : signature_find(first, (size_t)size);
  if (signature != NULL) return header_refuse_kind(signature, subject, error);
  if (file_size < HEADER_PREFIX_SIZE) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected at least 8 bytes, found %llu: too small for a header",
                       (HeaderBig)file_size);
  }
  uint64_t length = header_prefix(first);
  if (length > HEADER_MAX_LENGTH) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected the length of a header, at most %d, in the first 8 bytes, found a "
                       "larger number: not a safetensors file, or a damaged one",
                       HEADER_MAX_LENGTH);
  }
  if (file_size == HEADER_PREFIX_SIZE) {
    return error_raise(error, ERROR_INVALID, subject,
                       "truncated: expected a header behind the first 8 bytes, found the end of "
                       "the file");
  }
  if (!plausible) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected a header that begins with '{' behind the first 8 bytes, found "
                       "none: not a safetensors file, or a damaged one");
  }
  return error_raise(error, ERROR_INVALID, subject,
                     "truncated: expected at least %llu bytes (8 and a header of %llu), found %llu",
                     (HeaderBig)length + HEADER_PREFIX_SIZE, (HeaderBig)length,
                     (HeaderBig)file_size);
}

/* ---- Parsing ---- */

typedef struct HeaderParser {
  HeaderReader reader;
  HeaderBuffers *buffers;
  Header *header;
  const char *text; /* that spans refer to: of the buffers, and then of the header */
  uint32_t kept;    /* the length of what of the text has been kept, at its beginning */
  Span last_shape;
  uint64_t metadata_capacity;
  bool has_metadata;
  const char *subject;
  Cancel *cancel;
  Error *error;
} HeaderParser;

/* Returns whether to process row number `row` of a loop. */
static bool header_go_on(const HeaderParser *parser, uint64_t row) {
  return cancel_go_on_row(parser->cancel, row, parser->subject, parser->error);
}

static bool header_duplicate_key(const HeaderParser *parser, Span key, const char *where) {
  return error_raise(parser->error, ERROR_INVALID, parser->subject, "duplicate key \"%.*s\" %s",
                     ERROR_NAME(parser->text + key.offset, key.length), where);
}

/* The sink of the walk, which converts the first fault into the error. */
static bool header_raise(void *context, const JsonFault *fault) {
  HeaderParser *parser = context;
  const HeaderReader *reader = &parser->reader;
  const char *found = fault->found != NULL ? fault->found : "the header's end";
  const char *name = parser->text + reader->name.offset;
  HeaderBig at = fault->at;
  bool syntax = fault->kind == JSON_FAULT_SYNTAX;
  /* header_check_layout() reports this, together with the offset that it expects. */
  if (fault->kind == HEADER_FAULT_REVERSED_OFFSETS) return true;
  if (fault->kind == HEADER_FAULT_METADATA_VALUE) {
    error_fill(parser->error, ERROR_INVALID, parser->subject,
               "__metadata__ key \"%.*s\": expected %s as value, found %s",
               ERROR_NAME(name, reader->name.length), fault->expected, found);
  } else if (reader->in_entry && syntax) {
    error_fill(parser->error, ERROR_INVALID, parser->subject,
               "tensor \"%.*s\": expected %s at offset %llu, found %s",
               ERROR_NAME(name, reader->name.length), fault->expected, at, found);
  } else if (reader->in_entry) {
    error_fill(parser->error, ERROR_INVALID, parser->subject,
               "tensor \"%.*s\": expected %s, found %s", ERROR_NAME(name, reader->name.length),
               fault->expected, found);
  } else if (syntax) {
    error_fill(parser->error, ERROR_INVALID, parser->subject,
               "header is not JSON: expected %s at offset %llu, found %s", fault->expected, at,
               found);
  } else {
    error_fill(parser->error, ERROR_INVALID, parser->subject, "expected %s, found %s",
               fault->expected, found);
  }
  return false;
}

/* Moves a string of the text behind those that are kept already, and appends a NUL. It was in quotes or
** brackets, and what was before it is kept or not needed any more, so there is room for that. */
static void header_keep_string(HeaderParser *parser, Span *span) {
  char *text = parser->buffers->text, *to = text + parser->kept;
  memmove(to, text + span->offset, span->length);
  to[span->length] = '\0';
  span->offset = parser->kept;
  parser->kept += span->length + 1;
}

/* Neighbours mostly have the same shape, which is kept once. */
static void header_keep_shape(HeaderParser *parser, Span *shape) {
  const char *text = parser->buffers->text;
  Span last = parser->last_shape;
  if (shape->length == last.length &&
      memcmp(text + shape->offset, text + last.offset, last.length) == 0) {
    *shape = last;
    return;
  }
  header_keep_string(parser, shape);
  parser->last_shape = *shape;
}

static bool header_add_tensor(HeaderParser *parser) {
  HeaderBuffers *buffers = parser->buffers;
  TensorEntry entry = parser->reader.entry;
  Header *header = parser->header;
  if (!memory_reserve((void **)&buffers->tensors, &buffers->tensor_capacity, header->tensor_count,
                      sizeof entry)) {
    return error_memory(parser->error);
  }
  tensor_entry_clean_shape(buffers->text, &entry);
  header_keep_string(parser, &entry.name);
  header_keep_shape(parser, &entry.shape);
  buffers->tensors[header->tensor_count++] = entry;
  return true;
}

static bool header_add_pair(HeaderParser *parser) {
  Header *header = parser->header;
  if (!memory_reserve((void **)&header->metadata, &parser->metadata_capacity,
                      header->metadata_count, sizeof(MetadataEntry))) {
    return error_memory(parser->error);
  }
  MetadataEntry pair = parser->reader.pair;
  header_keep_string(parser, &pair.key);
  header_keep_string(parser, &pair.value);
  header->metadata[header->metadata_count++] = pair;
  return true;
}

static bool header_note_metadata(HeaderParser *parser) {
  if (parser->has_metadata) {
    return header_duplicate_key(parser, parser->reader.name, "in the header");
  }
  parser->has_metadata = true;
  return true;
}

static bool header_take_members(HeaderParser *parser) {
  for (bool good = true; good;) {
    switch (header_reader_next(&parser->reader)) {
      case HEADER_READER_TENSOR: good = header_add_tensor(parser); break;
      case HEADER_READER_METADATA: good = header_note_metadata(parser); break;
      case HEADER_READER_PAIR: good = header_add_pair(parser); break;
      case HEADER_READER_METADATA_END: break;
      case HEADER_READER_END: return true;
      case HEADER_READER_FAILED: return false;
    }
  }
  return false;
}

static bool header_take_header(HeaderParser *parser) {
  JsonWalk *walk = &parser->reader.walk;
  if (!header_reader_start(&parser->reader) || !header_take_members(parser)) return false;
  json_cursor_skip_space(&walk->cursor);
  return walk->cursor.at == walk->cursor.length ||
         json_walk_not_json(walk, "only spaces after the header's '}'");
}

/* Gives the header what it keeps. */
static bool header_keep(HeaderParser *parser) {
  Header *header = parser->header;
  bool kept =
      header_buffers_keep(parser->buffers, parser->kept, header->tensor_count, &header->memory);
  header->tensors = header->memory.tensors;
  parser->text = header->text = header->memory.text;
  header->text_length = parser->kept;
  return kept || error_memory(parser->error);
}

/* ---- Validation ---- */

/* Adds `count` rows, which each begin with a name, to an empty table. `where` describes the place of the
** names in a message about duplicates. */
static bool header_index_rows(const HeaderParser *parser, NameTable *table, const void *rows,
                              size_t row_size, uint32_t count, const char *where) {
  for (uint32_t row = 0; row < count; row += NAME_TABLE_BATCH) {
    uint32_t left = count - row, duplicate;
    if (!header_go_on(parser, row)) return false;
    if (name_table_add_batch(table, row, left < NAME_TABLE_BATCH ? left : NAME_TABLE_BATCH,
                             &duplicate)) {
      continue;
    }
    Span name;
    memcpy(&name, (const char *)rows + duplicate * row_size, sizeof name);
    return header_duplicate_key(parser, name, where);
  }
  return true;
}

static bool header_index_names(const HeaderParser *parser) {
  Header *header = parser->header;
  const TensorEntry *tensors = header->tensors;
  uint32_t count = header->tensor_count;
  if (header->memory.slots != NULL) {
    name_table_start_in(&header->names, header->memory.slots, header->text, tensors,
                        sizeof *tensors, count);
  } else if (!name_table_start(&header->names, header->text, tensors, sizeof *tensors, count)) {
    return error_memory(parser->error);
  }
  return header_index_rows(parser, &header->names, tensors, sizeof *tensors, count,
                           "in the header");
}

static bool header_check_metadata_keys(const HeaderParser *parser) {
  const Header *header = parser->header;
  if (header->metadata_count < 2) return true;
  NameTable keys;
  if (!name_table_start(&keys, header->text, header->metadata, sizeof(MetadataEntry),
                        header->metadata_count)) {
    return error_memory(parser->error);
  }
  bool good = header_index_rows(parser, &keys, header->metadata, sizeof(MetadataEntry),
                                header->metadata_count, "in __metadata__");
  name_table_free(&keys);
  return good;
}

static bool header_check_size(const HeaderParser *parser, const TensorEntry *entry) {
  const Header *header = parser->header;
  const char *text = header->text;
  uint64_t numel = 0, nbytes = 0;
  TensorSize size = tensor_entry_size(text, entry, &numel, &nbytes);
  if (size == SIZE_WHOLE && nbytes == entry->end - entry->begin) return true;
  sqlite3_str *what = sqlite3_str_new(NULL);
  sqlite3_str_appendf(what, "dtype %s and shape %.*s", dtype_name(entry->dtype),
                      ERROR_NAME(text + entry->shape.offset, entry->shape.length));
  if (size == SIZE_OVERFLOW) {
    sqlite3_str_appendf(what, " overflow 64 bits");
  } else if (size == SIZE_PART_OF_BYTE) {
    sqlite3_str_appendf(what, " end inside a byte: expected %u bits times %llu to be whole bytes",
                        dtype_bits(entry->dtype), (HeaderBig)numel);
  } else {
    sqlite3_str_appendf(what, " take %llu bytes, found %llu in data_offsets [%llu,%llu]",
                        (HeaderBig)nbytes, (HeaderBig)(entry->end - entry->begin),
                        (HeaderBig)entry->begin, (HeaderBig)entry->end);
  }
  char *message = sqlite3_str_finish(what);
  if (message == NULL) return error_memory(parser->error);
  error_fill(parser->error, ERROR_INVALID, parser->subject, "tensor \"%.*s\": %s",
             ERROR_NAME(text + entry->name.offset, entry->name.length), message);
  memory_free(message);
  return false;
}

/* Checks that the tensors, in the order of their offsets, cover the data from its start to the end
** of the file without gaps or overlaps. */
static bool header_check_layout(const HeaderParser *parser, uint64_t file_size) {
  const Header *header = parser->header;
  const char *subject = parser->subject;
  uint64_t expected = 0;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    if (entry->begin != expected || entry->end < entry->begin) {
      const char *fault = entry->end < entry->begin ? "end before begin"
                          : entry->begin < expected ? "overlap"
                                                    : "hole";
      return error_raise(
          parser->error, ERROR_INVALID, subject,
          "tensor \"%.*s\": %s: expected data_offsets to begin at %llu, found [%llu,%llu]",
          ERROR_NAME(header->text + entry->name.offset, entry->name.length), fault,
          (HeaderBig)expected, (HeaderBig)entry->begin, (HeaderBig)entry->end);
    }
    if (!header_go_on(parser, i) || !header_check_size(parser, entry)) return false;
    expected = entry->end;
  }
  uint64_t data_offset = header_data_offset(header), found = file_size - data_offset;
  if (found == expected) return true;
  /* This sum cannot overflow, because offsets are below 2^63. */
  return error_raise(parser->error, ERROR_INVALID, subject,
                     found < expected
                         ? "truncated: expected %llu bytes by its header, found %llu"
                         : "trailing bytes: expected %llu bytes by its header, found %llu",
                     (HeaderBig)(data_offset + expected), (HeaderBig)file_size);
}

/* Checks that the header begins with '{'. The message quotes no byte, because the file may be of
** any kind: see header_is_plausible(). */
static bool header_check_start(HeaderParser *parser) {
  JsonCursor *cursor = &parser->reader.walk.cursor;
  if (json_cursor_peek(cursor) == '{') return true;
  bool zeros = json_cursor_at(cursor, '\0');
  return error_raise(
      parser->error, ERROR_INVALID, parser->subject,
      "expected a header that begins with '{' behind the first 8 bytes, found %s",
      zeros ? "zeros: the download (or copy) has not filled the file; download it again"
            : "none: not a safetensors file, or a damaged one");
}

static bool header_parse_members(HeaderParser *parser, uint64_t file_size) {
  Header *header = parser->header;
  if (!header_check_start(parser)) return false;
  uint64_t valid = utf8_valid_length(parser->text, header->length);
  if (valid != header->length) {
    return error_raise(parser->error, ERROR_INVALID, parser->subject,
                       "expected a header in UTF-8, found byte 0x%02x at offset %llu",
                       (unsigned char)parser->text[valid], (HeaderBig)valid + HEADER_PREFIX_SIZE);
  }
  header_buffers_expect(parser->buffers, header->length);
  bool taken = header_take_header(parser);
  json_walk_clear(&parser->reader.walk);
  return taken &&
         tensor_entries_sort(parser->buffers->tensors, header->tensor_count, parser->cancel,
                             parser->subject, parser->error) &&
         header_keep(parser) && header_index_names(parser) && header_check_metadata_keys(parser) &&
         header_check_layout(parser, file_size);
}

Header *header_parse(HeaderBuffers *buffers, uint64_t length, uint64_t file_size,
                     const char *subject, Cancel *cancel, Error *error) {
  Header *header = memory_zeroed(1, sizeof *header);
  if (header == NULL) {
    error_memory(error);
    return NULL;
  }
  header->length = (uint32_t)length;
  HeaderParser parser = {
      .reader = {.walk = {.cursor = {.text = buffers->text, .length = (uint32_t)length},
                          .base = HEADER_PREFIX_SIZE,
                          .sink = header_raise,
                          .context = &parser,
                          .cancel = cancel,
                          .subject = subject,
                          .error = error}},
      .buffers = buffers,
      .header = header,
      .text = buffers->text,
      .subject = subject,
      .cancel = cancel,
      .error = error};
  if (header_parse_members(&parser, file_size)) return header;
  header_free(header);
  return NULL;
}

void header_free(Header *header) {
  if (header == NULL) return;
  if (header->memory.slots == NULL) name_table_free(&header->names);
  if (header->memory.text == NULL) { /* of a salvage, or nothing was kept */
    memory_free(header->tensors);
    memory_free(header->text);
  }
  header_memory_free(&header->memory);
  memory_free(header->metadata);
  memory_free(header);
}

/* ---- Questions ---- */

const TensorEntry *header_find(const Header *header, const char *name, uint64_t length) {
  uint32_t row;
  return name_table_find(&header->names, name, length, &row) ? &header->tensors[row] : NULL;
}

uint64_t header_data_offset(const Header *header) {
  return HEADER_PREFIX_SIZE + (uint64_t)header->length;
}

uint64_t header_data_nbytes(const Header *header) {
  return header->tensor_count > 0 ? header->tensors[header->tensor_count - 1].end : 0;
}

uint32_t tensor_entry_rank(const Header *header, const TensorEntry *entry) {
  const char *shape = header->text + entry->shape.offset;
  if (entry->shape.length == 2) return 0;
  uint32_t rank = 1;
  for (uint32_t i = 0; i < entry->shape.length; i++) rank += shape[i] == ',';
  return rank;
}

uint64_t header_memory(const Header *header) {
  return sizeof *header + header->text_length +
         (uint64_t)header->tensor_count * sizeof(TensorEntry) +
         (uint64_t)header->metadata_count * sizeof(MetadataEntry) +
         (header->names.mask + 1) * sizeof(uint64_t);
}
