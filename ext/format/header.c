#include "format/header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "base/utf8.h"
#include "format/scanner.h"
#include "format/signature.h"

typedef unsigned long long Big; /* for "%llu" */

/* ---- The first 8 bytes ---- */

uint64_t header_prefix(const unsigned char *bytes) {
  uint64_t value = 0;
  for (int i = HEADER_PREFIX_SIZE - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

bool header_length(const unsigned char *prefix, uint64_t file_size, uint64_t *length) {
  if (file_size < HEADER_PREFIX_SIZE) return false;
  *length = header_prefix(prefix);
  return *length <= HEADER_MAX_LENGTH && *length <= file_size - HEADER_PREFIX_SIZE;
}

void header_write_length(uint64_t length, unsigned char *prefix) {
  for (int i = 0; i < HEADER_PREFIX_SIZE; i++) prefix[i] = (unsigned char)(length >> (8 * i));
}

bool header_refuse(const unsigned char *first, uint64_t size, uint64_t file_size,
                   const char *subject, Error *error) {
  if (file_size == 0) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected a safetensors file, found an empty file");
  }
  const Signature *signature = signature_find(first, (size_t)size);
  if (signature != NULL) {
    return error_raise(error, ERROR_INVALID, subject, "expected a safetensors file, found %s",
                       signature->name);
  }
  if (file_size < HEADER_PREFIX_SIZE) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected at least 8 bytes, found %llu: too small for a header",
                       (Big)file_size);
  }
  uint64_t length = header_prefix(first);
  if (length > HEADER_MAX_LENGTH) {
    return error_raise(
        error, ERROR_INVALID, subject,
        "expected a header of at most %d bytes, found a length of %llu: too large, or "
        "not a safetensors file",
        HEADER_MAX_LENGTH, (Big)length);
  }
  return error_raise(error, ERROR_INVALID, subject,
                     "truncated: expected at least %llu bytes (8 and a header of %llu), found %llu",
                     (Big)length + HEADER_PREFIX_SIZE, (Big)length, (Big)file_size);
}

/* ---- Parsing ---- */

typedef struct Parser {
  Scanner scanner;
  Header *header;
  uint64_t tensor_capacity, metadata_capacity;
  bool has_metadata;
  Error *error;
} Parser;

static bool duplicate_key(const Parser *parser, Span key, const char *where) {
  return error_raise(parser->error, ERROR_INVALID, parser->scanner.subject,
                     "duplicate key \"%.*s\" %s",
                     ERROR_NAME(parser->header->text + key.offset, key.length), where);
}

static bool take_key(Parser *parser, Span *key) {
  Scanner *scanner = &parser->scanner;
  if (!scanner_string(scanner, key, parser->error)) return false;
  if (memchr(scanner->text + key->offset, '\0', key->length) != NULL) {
    return error_raise(
        parser->error, ERROR_INVALID, scanner->subject,
        "expected a key without NUL, found \"%.*s\\u0000...\"",
        ERROR_NAME(scanner->text + key->offset, strlen(scanner->text + key->offset)));
  }
  return scanner_take(scanner, ':') || scanner_expected(scanner, "':'", parser->error);
}

static bool take_metadata_value(Parser *parser, Span key, Span *value) {
  Scanner *scanner = &parser->scanner;
  scanner_skip_space(scanner);
  if (scanner->at < scanner->length && scanner->text[scanner->at] == '"') {
    return scanner_string(scanner, value, parser->error);
  }
  return error_raise(parser->error, ERROR_INVALID, scanner->subject,
                     "__metadata__ key \"%.*s\": expected a string as value, found %s",
                     ERROR_NAME(scanner->text + key.offset, key.length),
                     scanner_next_kind(scanner));
}

static bool take_metadata(Parser *parser) {
  Scanner *scanner = &parser->scanner;
  Header *header = parser->header;
  if (parser->has_metadata) {
    return error_raise(parser->error, ERROR_INVALID, scanner->subject,
                       "duplicate key \"__metadata__\" in the header");
  }
  parser->has_metadata = true;
  if (scanner_null(scanner)) return true;
  if (!scanner_take(scanner, '{')) {
    return error_raise(parser->error, ERROR_INVALID, scanner->subject,
                       "expected an object of strings as __metadata__, found %s",
                       scanner_next_kind(scanner));
  }
  if (scanner_take(scanner, '}')) return true;
  do {
    if (!memory_reserve((void **)&header->metadata, &parser->metadata_capacity,
                        header->metadata_count, sizeof(MetadataEntry))) {
      return error_memory(parser->error);
    }
    MetadataEntry *entry = &header->metadata[header->metadata_count];
    if (!take_key(parser, &entry->key) || !take_metadata_value(parser, entry->key, &entry->value)) {
      return false;
    }
    header->metadata_count++;
  } while (scanner_take(scanner, ','));
  return scanner_take(scanner, '}') || scanner_expected(scanner, "',' or '}'", parser->error);
}

static bool take_member(Parser *parser) {
  static const char metadata[] = "__metadata__";
  Header *header = parser->header;
  Span key;
  if (!take_key(parser, &key)) return false;
  if (key.length == sizeof metadata - 1 &&
      memcmp(header->text + key.offset, metadata, key.length) == 0) {
    return take_metadata(parser);
  }
  if (!memory_reserve((void **)&header->tensors, &parser->tensor_capacity, header->tensor_count,
                      sizeof(TensorEntry))) {
    return error_memory(parser->error);
  }
  TensorEntry *entry = &header->tensors[header->tensor_count];
  entry->name = key;
  if (!scanner_entry(&parser->scanner, entry, parser->error)) return false;
  header->tensor_count++;
  return true;
}

static bool take_header(Parser *parser) {
  Scanner *scanner = &parser->scanner;
  if (!scanner_take(scanner, '{')) return scanner_expected(scanner, "'{'", parser->error);
  if (!scanner_take(scanner, '}')) {
    do {
      if (!take_member(parser)) return false;
    } while (scanner_take(scanner, ','));
    if (!scanner_take(scanner, '}')) return scanner_expected(scanner, "',' or '}'", parser->error);
  }
  scanner_skip_space(scanner);
  return scanner->at == scanner->length ||
         scanner_expected(scanner, "only spaces after the header's '}'", parser->error);
}

/* ---- Validation ---- */

static int by_offsets(const void *left, const void *right) {
  const TensorEntry *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return a->name.offset < b->name.offset ? -1 : 1;
}

void tensor_entries_sort(TensorEntry *entries, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    if (by_offsets(&entries[i - 1], &entries[i]) > 0) {
      qsort(entries, count, sizeof(TensorEntry), by_offsets);
      return;
    }
  }
}

static bool index_names(Parser *parser) {
  Header *header = parser->header;
  uint32_t duplicate = 0;
  switch (name_table_build(&header->names, header->text, header->tensors, sizeof(TensorEntry),
                           header->tensor_count, &duplicate)) {
    case NAME_TABLE_NO_MEMORY: return error_memory(parser->error);
    case NAME_TABLE_DUPLICATE:
      return duplicate_key(parser, header->tensors[duplicate].name, "in the header");
    case NAME_TABLE_BUILT: break;
  }
  return true;
}

static bool check_metadata_keys(Parser *parser) {
  Header *header = parser->header;
  if (header->metadata_count < 2) return true;
  NameTable keys;
  uint32_t duplicate = 0;
  switch (name_table_build(&keys, header->text, header->metadata, sizeof(MetadataEntry),
                           header->metadata_count, &duplicate)) {
    case NAME_TABLE_NO_MEMORY: return error_memory(parser->error);
    case NAME_TABLE_DUPLICATE:
      return duplicate_key(parser, header->metadata[duplicate].key, "in __metadata__");
    case NAME_TABLE_BUILT: name_table_free(&keys); break;
  }
  return true;
}

/* Multiplies the dimensions, left to right as the reference does: [MAX,3,0] overflows, [0,MAX,3]
** does not. */
static bool shape_numel(const char *shape, uint32_t length, uint64_t *numel) {
  uint64_t product = 1, dimension = 0;
  bool in_number = false;
  for (uint32_t i = 0; i < length; i++) {
    if (shape[i] >= '0' && shape[i] <= '9') {
      dimension = dimension * 10 + (uint64_t)(shape[i] - '0');
      in_number = true;
    } else if (in_number) {
      if (__builtin_mul_overflow(product, dimension, &product)) return false;
      dimension = 0;
      in_number = false;
    }
  }
  *numel = product;
  return true;
}

TensorSize tensor_entry_size(const char *text, const TensorEntry *entry, uint64_t *numel,
                             uint64_t *nbytes) {
  bool overflow;
  if (!shape_numel(text + entry->shape.offset, entry->shape.length, numel)) return SIZE_OVERFLOW;
  if (dtype_nbytes(entry->dtype, *numel, nbytes, &overflow)) return SIZE_WHOLE;
  return overflow ? SIZE_OVERFLOW : SIZE_PART_OF_BYTE;
}

static bool check_size(const Parser *parser, const TensorEntry *entry) {
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
                        dtype_bits(entry->dtype), (Big)numel);
  } else {
    sqlite3_str_appendf(what, " take %llu bytes, found %llu in data_offsets [%llu,%llu]",
                        (Big)nbytes, (Big)(entry->end - entry->begin), (Big)entry->begin,
                        (Big)entry->end);
  }
  char *message = sqlite3_str_finish(what);
  if (message == NULL) return error_memory(parser->error);
  error_fill(parser->error, ERROR_INVALID, parser->scanner.subject, "tensor \"%.*s\": %s",
             ERROR_NAME(text + entry->name.offset, entry->name.length), message);
  memory_free(message);
  return false;
}

/* The tensors, by offset, must lie end to end from 0 to the end of the file. */
static bool check_layout(const Parser *parser, uint64_t file_size) {
  const Header *header = parser->header;
  const char *subject = parser->scanner.subject;
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
          ERROR_NAME(header->text + entry->name.offset, entry->name.length), fault, (Big)expected,
          (Big)entry->begin, (Big)entry->end);
    }
    if (!check_size(parser, entry)) return false;
    expected = entry->end;
  }
  uint64_t data_offset = header_data_offset(header), found = file_size - data_offset;
  if (found == expected) return true;
  /* data_offset + expected cannot overflow: offsets are below 2^63. */
  return error_raise(parser->error, ERROR_INVALID, subject,
                     found < expected
                         ? "truncated: expected %llu bytes by its header, found %llu"
                         : "trailing bytes: expected %llu bytes by its header, found %llu",
                     (Big)(data_offset + expected), (Big)file_size);
}

/* The byte after a name was its closing quote at the latest, that after a shape stood in its entry:
** both have done their work. */
static void terminate_strings(Header *header) {
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    header->text[entry->name.offset + entry->name.length] = '\0';
    header->text[entry->shape.offset + entry->shape.length] = '\0';
  }
}

static bool parse(Parser *parser, uint64_t file_size) {
  Scanner *scanner = &parser->scanner;
  uint64_t valid = utf8_valid_length(scanner->text, scanner->length);
  if (valid != scanner->length) {
    return error_raise(parser->error, ERROR_INVALID, scanner->subject,
                       "expected a header in UTF-8, found byte 0x%02x at offset %llu",
                       (unsigned char)scanner->text[valid], (Big)valid + HEADER_PREFIX_SIZE);
  }
  if (!take_header(parser)) return false;
  tensor_entries_sort(parser->header->tensors, parser->header->tensor_count);
  return index_names(parser) && check_metadata_keys(parser) && check_layout(parser, file_size);
}

Header *header_parse(char *text, uint64_t length, uint64_t file_size, const char *subject,
                     Error *error) {
  Header *header = memory_zeroed(1, sizeof *header);
  if (header == NULL) {
    memory_free(text);
    error_memory(error);
    return NULL;
  }
  header->text = text;
  header->length = (uint32_t)length;
  Parser parser = {.scanner = {.text = text, .length = (uint32_t)length, .subject = subject},
                   .header = header,
                   .error = error};
  if (parse(&parser, file_size)) {
    terminate_strings(header);
    TensorEntry *fitted = memory_resize(header->tensors, header->tensor_count, sizeof(TensorEntry));
    if (fitted != NULL) {
      header->tensors = fitted;
      header->names.rows = (const char *)fitted;
    }
    return header;
  }
  header_free(header);
  return NULL;
}

void header_free(Header *header) {
  if (header == NULL) return;
  name_table_free(&header->names);
  memory_free(header->tensors);
  memory_free(header->metadata);
  memory_free(header->text);
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

uint64_t tensor_entry_nbytes(const TensorEntry *entry) {
  return entry->end - entry->begin;
}

uint64_t tensor_entry_numel(const TensorEntry *entry) {
  /* Validated: the bits fit 64 and are whole elements. */
  return tensor_entry_nbytes(entry) * 8 / dtype_bits(entry->dtype);
}

uint32_t tensor_entry_rank(const Header *header, const TensorEntry *entry) {
  const char *shape = header->text + entry->shape.offset;
  if (entry->shape.length == 2) return 0;
  uint32_t rank = 1;
  for (uint32_t i = 0; i < entry->shape.length; i++) rank += shape[i] == ',';
  return rank;
}

uint64_t header_memory(const Header *header) {
  return sizeof *header + header->length + (uint64_t)header->tensor_count * sizeof(TensorEntry) +
         (uint64_t)header->metadata_count * sizeof(MetadataEntry) +
         (header->names.mask + 1) * sizeof(uint64_t);
}
