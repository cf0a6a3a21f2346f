#include "format/writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "format/header.h"
#include "format/json_load.h"
#include "format/json_string.h"

typedef unsigned long long Big; /* for "%llu" */

static const char metadata_name[] = "__metadata__";

/* ---- Tensors ---- */

static bool check_name(const char *name, uint64_t length, const TensorName *about, Error *error) {
  uint64_t valid = utf8_valid_length(name, length);
  if (valid != length) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a name in UTF-8, found byte 0x%02x at offset %llu",
                              (unsigned char)name[valid], (Big)valid);
  }
  if (memchr(name, '\0', (size_t)length) != NULL) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a name without NUL, found one");
  }
  if (length == sizeof metadata_name - 1 && memcmp(name, metadata_name, (size_t)length) == 0) {
    return error_raise_tensor(
        error, ERROR_ARGUMENT, about,
        "expected a tensor's name, found the key that metadata has in a header");
  }
  return true;
}

/* The product as readers compute it: from left to right, whatever comes after an overflow. */
static bool take_size(WriterTensor *tensor, const uint64_t *shape, uint32_t rank,
                      const TensorName *about, Error *error) {
  uint64_t numel = 1;
  bool overflow = false;
  for (uint32_t d = 0; d < rank && !overflow; d++) {
    overflow = __builtin_mul_overflow(numel, shape[d], &numel);
  }
  if (!overflow && dtype_nbytes(tensor->dtype, numel, &tensor->nbytes, &overflow)) return true;
  if (overflow) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a shape below 2^64 bits of %s", dtype_name(tensor->dtype));
  }
  return error_raise_tensor(
      error, ERROR_ARGUMENT, about,
      "expected elements that fill whole bytes, found %llu of %s, %u bits each", (Big)numel,
      dtype_name(tensor->dtype), dtype_bits(tensor->dtype));
}

/* Appends to the text, which never gets longer than a header may be. */
static bool append_text(Writer *writer, const char *text, uint64_t length, const TensorName *about,
                        Error *error) {
  uint64_t end = writer->text_length + length;
  if (end > HEADER_MAX_LENGTH) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a header of at most %d bytes, found more",
                              HEADER_MAX_LENGTH);
  }
  if (end > writer->text_capacity) {
    uint64_t capacity = end + end / 2 + 1024;
    char *grown = memory_resize(writer->text, capacity, 1);
    if (grown == NULL) return error_memory(error);
    writer->text = grown;
    writer->text_capacity = capacity;
  }
  if (length > 0) memcpy(writer->text + writer->text_length, text, (size_t)length);
  writer->text_length = end;
  return true;
}

static bool append_shape(Writer *writer, const uint64_t *shape, uint32_t rank,
                         const TensorName *about, Error *error) {
  char digits[24];
  for (uint32_t d = 0; d < rank; d++) {
    sqlite3_snprintf((int)sizeof digits, digits, "%c%llu", d == 0 ? '[' : ',', (Big)shape[d]);
    if (!append_text(writer, digits, strlen(digits), about, error)) return false;
  }
  return append_text(writer, rank == 0 ? "[]" : "]", rank == 0 ? 2 : 1, about, error);
}

static bool reserve_tensor(Writer *writer) {
  if (writer->count < writer->capacity) return true;
  uint64_t capacity = writer->capacity + writer->capacity / 2 + 16;
  WriterTensor *grown = memory_resize(writer->tensors, capacity, sizeof *grown);
  if (grown == NULL) return false;
  writer->tensors = grown;
  writer->capacity = capacity;
  return true;
}

bool writer_add(Writer *writer, const char *name, uint64_t name_length, Dtype dtype,
                const uint64_t *shape, uint32_t rank, const TensorName *about, Error *error) {
  WriterTensor tensor = {.dtype = dtype, .number = writer->count};
  uint64_t start = writer->text_length, nbytes;
  if (!check_name(name, name_length, about, error) ||
      !take_size(&tensor, shape, rank, about, error) ||
      !append_text(writer, name, name_length, about, error)) {
    return false;
  }
  uint64_t shape_start = writer->text_length;
  if (!append_shape(writer, shape, rank, about, error)) return false;
  tensor.name = (Span){(uint32_t)start, (uint32_t)(shape_start - start)};
  tensor.shape = (Span){(uint32_t)shape_start, (uint32_t)(writer->text_length - shape_start)};
  if (__builtin_add_overflow(writer->nbytes, tensor.nbytes, &nbytes) || nbytes > INT64_MAX) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected tensors of less than 2^63 bytes in all, found more");
  }
  if (!reserve_tensor(writer)) return error_memory(error);
  writer->nbytes = nbytes;
  writer->tensors[writer->count++] = tensor;
  return true;
}

TensorName writer_tensor_name(const Writer *writer, const WriterTensor *tensor,
                              const char *subject) {
  return (TensorName){subject, writer->text + tensor->name.offset, tensor->name.length};
}

bool writer_check_names(const Writer *writer, const char *subject, Error *error) {
  NameTable names;
  uint32_t duplicate = 0;
  switch (name_table_build(&names, writer->text, writer->tensors, sizeof(WriterTensor),
                           writer->count, &duplicate)) {
    case NAME_TABLE_NO_MEMORY: return error_memory(error);
    case NAME_TABLE_DUPLICATE: {
      TensorName about = writer_tensor_name(writer, &writer->tensors[duplicate], subject);
      return error_raise_tensor(error, ERROR_ARGUMENT, &about,
                                "expected each name once, found it twice");
    }
    case NAME_TABLE_BUILT: name_table_free(&names); break;
  }
  return true;
}

/* ---- Metadata ---- */

static bool append_metadata(json_t *object, sqlite3_str *out, const TensorName *about,
                            Error *error) {
  const char *key;
  json_t *value;
  json_object_foreach (object, key, value) {
    if (!json_is_string(value)) {
      return error_raise_tensor(
          error, ERROR_ARGUMENT, about,
          "expected metadata, a JSON object of strings, found %s as value of \"%.*s\"",
          json_type_in_words(value), ERROR_NAME(key, strlen(key)));
    }
    sqlite3_str_appendchar(out, 1, sqlite3_str_length(out) == 0 ? '{' : ',');
    json_string_append(out, key, strlen(key));
    sqlite3_str_appendchar(out, 1, ':');
    json_string_append(out, json_string_value(value), json_string_length(value));
  }
  sqlite3_str_appendchar(out, 1, '}');
  return sqlite3_str_errcode(out) == SQLITE_OK || error_memory(error);
}

bool writer_set_metadata(Writer *writer, const char *json, uint64_t length, const TensorName *about,
                         Error *error) {
  JsonDocument document = {0};
  if (!json_load_document(json, length, "metadata", &document, error)) {
    json_decref(document.root);
    return error_within(error, about);
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  bool good = append_metadata(document.root, out, about, error);
  char *text = sqlite3_str_finish(out);
  if (good && json_object_size(document.root) > 0) {
    memory_free(writer->metadata);
    writer->metadata = text;
  } else {
    memory_free(text);
  }
  json_decref(document.root);
  return good;
}

/* ---- The header ---- */

int writer_compare_names(const char *a, uint32_t a_length, const char *b, uint32_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* What qsort's comparison looks names up in; it has no argument for that. */
typedef struct Sorted {
  const char *name;
  WriterTensor tensor;
} Sorted;

static int by_place(const void *left, const void *right) {
  const Sorted *a = left, *b = right;
  if (a->tensor.shard != b->tensor.shard) return a->tensor.shard < b->tensor.shard ? -1 : 1;
  if (a->tensor.dtype != b->tensor.dtype) return a->tensor.dtype > b->tensor.dtype ? -1 : 1;
  return writer_compare_names(a->name, a->tensor.name.length, b->name, b->tensor.name.length);
}

bool writer_sort(Writer *writer, Error *error) {
  Sorted *rows = memory_zeroed(writer->count, sizeof *rows);
  if (rows == NULL) return error_memory(error);
  for (uint32_t i = 0; i < writer->count; i++) {
    rows[i] = (Sorted){writer->text + writer->tensors[i].name.offset, writer->tensors[i]};
  }
  if (writer->count > 1) qsort(rows, writer->count, sizeof *rows, by_place);
  for (uint32_t i = 0; i < writer->count; i++) writer->tensors[i] = rows[i].tensor;
  memory_free(rows);
  return true;
}

static void append_entry(const Writer *writer, const WriterTensor *tensor, uint64_t begin,
                         sqlite3_str *out) {
  json_string_append(out, writer->text + tensor->name.offset, tensor->name.length);
  sqlite3_str_appendf(out, ":{\"dtype\":\"%s\",\"shape\":", dtype_name(tensor->dtype));
  sqlite3_str_append(out, writer->text + tensor->shape.offset, (int)tensor->shape.length);
  sqlite3_str_appendf(out, ",\"data_offsets\":[%llu,%llu]}", (Big)begin,
                      (Big)(begin + tensor->nbytes));
}

/* Whether the header, but for its closing brace, is longer than one may be. */
static bool too_long(sqlite3_str *out) {
  return sqlite3_str_length(out) >= HEADER_PREFIX_SIZE + HEADER_MAX_LENGTH;
}

/* Appends the JSON, and spaces. `out` has the prefix already. */
static bool append_header(const Writer *writer, const WriterPart *part, const char *subject,
                          sqlite3_str *out, Error *error) {
  uint64_t begin = 0;
  sqlite3_str_appendchar(out, 1, '{');
  if (writer->metadata != NULL) {
    sqlite3_str_appendf(out, "\"%s\":", metadata_name);
    sqlite3_str_appendall(out, writer->metadata);
    if (part->count > 0) sqlite3_str_appendchar(out, 1, ',');
  }
  for (uint32_t i = 0; i < part->count; i++) {
    const WriterTensor *tensor = &writer->tensors[part->first + i];
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    append_entry(writer, tensor, begin, out);
    if (too_long(out)) {
      TensorName about = writer_tensor_name(writer, tensor, subject);
      return error_raise_tensor(error, ERROR_ARGUMENT, &about,
                                "expected a header of at most %d bytes, found more",
                                HEADER_MAX_LENGTH);
    }
    begin += tensor->nbytes;
  }
  if (too_long(out)) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected a header of at most %d bytes, found more in metadata",
                       HEADER_MAX_LENGTH);
  }
  sqlite3_str_appendchar(out, 1, '}');
  sqlite3_str_appendchar(out, (8 - sqlite3_str_length(out) % 8) % 8, ' ');
  return true;
}

unsigned char *writer_header(const Writer *writer, const WriterPart *part, const char *subject,
                             uint64_t *length, Error *error) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(out, HEADER_PREFIX_SIZE, '\0');
  bool good = append_header(writer, part, subject, out, error);
  if (good && sqlite3_str_errcode(out) != SQLITE_OK) good = error_memory(error);
  *length = (uint64_t)sqlite3_str_length(out);
  unsigned char *header = (unsigned char *)sqlite3_str_finish(out);
  if (!good) {
    memory_free(header);
    return NULL;
  }
  header_write_length(*length - HEADER_PREFIX_SIZE, header);
  return header;
}

void writer_clear(Writer *writer) {
  memory_free(writer->text);
  memory_free(writer->tensors);
  memory_free(writer->metadata);
  *writer = (Writer){0};
}
