#include "format/writer.h"

#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
#include "base/utf8.h"
#include "format/header.h"
#include "format/metadata_json.h"
#include "json/json_load.h"
#include "json/json_string.h"

typedef unsigned long long WriterBig; /* for "%llu" */

static const char writer_metadata_name[] = "__metadata__";

/* ---- Tensors ---- */

bool writer_check_name(const char *name, uint64_t length, const TensorName *about, Error *error) {
  uint64_t valid = utf8_valid_length(name, length);
  if (valid != length) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a name in UTF-8, found byte 0x%02x at offset %llu",
                              (unsigned char)name[valid], (WriterBig)valid);
  }
  if (memchr(name, '\0', (size_t)length) != NULL) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a name without NUL, found one");
  }
  if (length == sizeof writer_metadata_name - 1 &&
      memcmp(name, writer_metadata_name, (size_t)length) == 0) {
    return error_raise_tensor(
        error, ERROR_ARGUMENT, about,
        "expected a tensor's name, found the key that metadata has in a header");
  }
  return true;
}

bool writer_size(Dtype dtype, const uint64_t *shape, uint32_t rank, uint64_t *nbytes,
                 const TensorName *about, Error *error) {
  uint64_t numel = 1;
  bool overflow = false;
  for (uint32_t d = 0; d < rank && !overflow; d++) {
    overflow = __builtin_mul_overflow(numel, shape[d], &numel);
  }
  if (!overflow && dtype_nbytes(dtype, numel, nbytes, &overflow)) return true;
  if (overflow) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a shape below 2^64 bits of %s", dtype_name(dtype));
  }
  return error_raise_tensor(
      error, ERROR_ARGUMENT, about,
      "expected elements that fill whole bytes, found %llu of %s, %u bits each", (WriterBig)numel,
      dtype_name(dtype), dtype_bits(dtype));
}

/* Appends to the text. It never gets longer than a header may be. */
static bool writer_append_text(Writer *writer, const char *text, uint64_t length,
                               const TensorName *about, Error *error) {
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

static bool writer_reserve_tensor(Writer *writer) {
  if (writer->count < writer->capacity) return true;
  uint64_t capacity = writer->capacity + writer->capacity / 2 + 16;
  WriterTensor *grown = memory_resize(writer->tensors, capacity, sizeof *grown);
  if (grown == NULL) return false;
  writer->tensors = grown;
  writer->capacity = capacity;
  return true;
}

/* Adds the tensor whose name and shape are at the end of the text, from `start` and `shape_start`
** on. */
static bool writer_add_appended(Writer *writer, WriterTensor tensor, uint64_t start,
                                uint64_t shape_start, const TensorName *about, Error *error) {
  uint64_t nbytes;
  tensor.number = writer->count;
  tensor.name = (Span){(uint32_t)start, (uint32_t)(shape_start - start)};
  tensor.shape = (Span){(uint32_t)shape_start, (uint32_t)(writer->text_length - shape_start)};
  if (__builtin_add_overflow(writer->nbytes, tensor.nbytes, &nbytes) || nbytes > INT64_MAX) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected tensors of less than 2^63 bytes in all, found more");
  }
  if (!writer_reserve_tensor(writer)) return error_memory(error);
  writer->nbytes = nbytes;
  writer->tensors[writer->count++] = tensor;
  return true;
}

bool writer_add(Writer *writer, const char *name, uint64_t name_length, Dtype dtype,
                const char *shape, uint64_t shape_length, uint64_t nbytes, const TensorName *about,
                Error *error) {
  WriterTensor tensor = {.dtype = dtype, .nbytes = nbytes};
  uint64_t start = writer->text_length, shape_start = start + name_length;
  return writer_append_text(writer, name, name_length, about, error) &&
         writer_append_text(writer, shape, shape_length, about, error) &&
         writer_add_appended(writer, tensor, start, shape_start, about, error);
}

TensorName writer_tensor_name(const Writer *writer, const WriterTensor *tensor,
                              const char *subject) {
  return (TensorName){subject, writer->text + tensor->name.offset, tensor->name.length};
}

bool writer_check_names(const Writer *writer, const char *subject, Error *error) {
  NameTable names;
  bool good = true;
  if (!name_table_start(&names, writer->text, writer->tensors, sizeof(WriterTensor),
                        writer->count)) {
    return error_memory(error);
  }
  for (uint32_t row = 0; good && row < writer->count; row++) {
    uint32_t earlier;
    good = cancel_go_on_row(writer->cancel, row, subject, error);
    if (!good || name_table_add(&names, row, &earlier)) continue;
    TensorName about = writer_tensor_name(writer, &writer->tensors[row], subject);
    good = error_raise_tensor(error, ERROR_ARGUMENT, &about,
                              "expected each name once, found it twice");
  }
  name_table_free(&names);
  return good;
}

/* ---- Metadata ---- */

/* Raises what is wrong with a text that is not an object of strings. */
static bool writer_refuse_metadata(const char *json, uint64_t length, uint64_t at,
                                   const TensorName *about, Error *error) {
  enum {
    WRITER_LARGE = 1 << 20
  }; /* jansson would take long for a longer text, and cannot be
                                      interrupted */
  if (length > WRITER_LARGE) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected metadata, a JSON object of strings with each key once, "
                              "found something else at offset %llu",
                              (WriterBig)at);
  }
  JsonDocument document = {0};
  const char *key;
  json_t *value;
  bool loaded = json_load_document(json, length, "metadata", &document, error);
  if (loaded) {
    json_object_foreach (document.root, key, value) {
      if (json_is_string(value)) continue;
      error_fill_tensor(
          error, ERROR_ARGUMENT, about,
          "expected metadata, a JSON object of strings, found %s as value of \"%.*s\"",
          json_type_in_words(value), ERROR_NAME(key, strlen(key)));
    }
  } else {
    error_within(error, about);
    if (error->code == ERROR_INVALID)
      error->code = ERROR_ARGUMENT; /* the argument is wrong, not a
                                                                       file */
  }
  json_decref(document.root);
  return error->code != ERROR_NONE
             ? false
             : error_raise_tensor(error, ERROR_ARGUMENT, about,
                                  "expected metadata, a JSON object of strings, found something "
                                  "else at offset %llu",
                                  (WriterBig)at);
}

bool writer_set_metadata(Writer *writer, const char *json, uint64_t length, const TensorName *about,
                         Error *error) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  bool taken;
  uint64_t at;
  bool good = metadata_json_append(out, json, length, &taken, &at, writer->cancel, error);
  bool is_empty = sqlite3_str_length(out) <= 2; /* "{}" */
  char *text = sqlite3_str_finish(out);
  if (good && taken && !is_empty) {
    memory_free(writer->metadata);
    writer->metadata = text;
  } else {
    memory_free(text);
  }
  return good && (taken || writer_refuse_metadata(json, length, at, about, error));
}

/* ---- The header ---- */

/* A tensor together with its name, because the comparison has no argument for the text. */
typedef struct WriterSorted {
  const char *name;
  WriterTensor tensor;
} WriterSorted;

static int writer_by_place(const void *left, const void *right) {
  const WriterSorted *a = left, *b = right;
  if (a->tensor.shard != b->tensor.shard) return a->tensor.shard < b->tensor.shard ? -1 : 1;
  if (a->tensor.dtype != b->tensor.dtype) return a->tensor.dtype > b->tensor.dtype ? -1 : 1;
  return name_table_compare(a->name, a->tensor.name.length, b->name, b->tensor.name.length);
}

bool writer_sort(Writer *writer, Error *error) {
  WriterSorted *rows = memory_zeroed(writer->count, sizeof *rows);
  if (rows == NULL) return error_memory(error);
  for (uint32_t i = 0; i < writer->count; i++) {
    rows[i] = (WriterSorted){writer->text + writer->tensors[i].name.offset, writer->tensors[i]};
  }
  bool good = sort_rows(rows, writer->count, sizeof *rows, writer_by_place, writer->cancel,
                        "tensors", error);
  for (uint32_t i = 0; good && i < writer->count; i++) writer->tensors[i] = rows[i].tensor;
  memory_free(rows);
  return good;
}

static void writer_append_entry(const Writer *writer, const WriterTensor *tensor, uint64_t begin,
                                sqlite3_str *out) {
  json_string_append(out, writer->text + tensor->name.offset, tensor->name.length);
  sqlite3_str_appendf(out, ":{\"dtype\":\"%s\",\"shape\":", dtype_name(tensor->dtype));
  sqlite3_str_append(out, writer->text + tensor->shape.offset, (int)tensor->shape.length);
  sqlite3_str_appendf(out, ",\"data_offsets\":[%llu,%llu]}", (WriterBig)begin,
                      (WriterBig)(begin + tensor->nbytes));
}

/* Returns whether the header is too long even without its closing brace. */
static bool writer_too_long(sqlite3_str *out) {
  return sqlite3_str_length(out) >= HEADER_PREFIX_SIZE + HEADER_MAX_LENGTH;
}

/* Appends the JSON and the padding. `out` already contains the prefix. */
static bool writer_append_header(const Writer *writer, const WriterPart *part, const char *subject,
                                 sqlite3_str *out, Error *error) {
  uint64_t begin = 0;
  sqlite3_str_appendchar(out, 1, '{');
  if (writer->metadata != NULL) {
    sqlite3_str_appendf(out, "\"%s\":", writer_metadata_name);
    sqlite3_str_appendall(out, writer->metadata);
    if (part->count > 0) sqlite3_str_appendchar(out, 1, ',');
  }
  for (uint32_t i = 0; i < part->count; i++) {
    const WriterTensor *tensor = &writer->tensors[part->first + i];
    if (!cancel_go_on_row(writer->cancel, i, subject, error)) return false;
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    writer_append_entry(writer, tensor, begin, out);
    if (writer_too_long(out)) {
      TensorName about = writer_tensor_name(writer, tensor, subject);
      return error_raise_tensor(error, ERROR_ARGUMENT, &about,
                                "expected a header of at most %d bytes, found more",
                                HEADER_MAX_LENGTH);
    }
    begin += tensor->nbytes;
  }
  if (writer_too_long(out)) {
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
  bool good = writer_append_header(writer, part, subject, out, error);
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
