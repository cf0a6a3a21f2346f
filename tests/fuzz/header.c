/*
** The attack: a file whose header its maker chose freely, byte by byte, to crash the reader, to
** make it read or write outside its memory, or to have it accept entries that contradict each
** other and so point outside the file later.
**
** The input is the header's JSON.
*/
#include "base/utf8.h"
#include "format/signature.h"
#include "fuzz_lint.h"
#include "tensor/view.h"

static void require_text(const Header *header, Span span) {
  REQUIRE((uint64_t)span.offset + span.length <= header->length);
  REQUIRE(utf8_valid_length(header->text + span.offset, span.length) == span.length);
}

/* What the rest of the extension relies on, of each tensor of an accepted header. */
static void require_tensor(const Header *header, const TensorEntry *entry, uint64_t begin) {
  const char *name = header->text + entry->name.offset, *shape = header->text + entry->shape.offset;
  require_text(header, entry->name);
  require_text(header, entry->shape);
  REQUIRE(strlen(name) == entry->name.length && strlen(shape) == entry->shape.length);
  REQUIRE(header_find(header, name, entry->name.length) == entry);
  REQUIRE(entry->begin == begin && entry->end >= begin);
  View view;
  Error error = {0};
  uint64_t nbytes;
  bool overflow;
  REQUIRE(view_open(&view, shape, entry->shape.length, &(TensorName){.subject = "file"}, &error));
  REQUIRE(view.numel == tensor_entry_numel(entry));
  REQUIRE(view.rank == tensor_entry_rank(header, entry));
  REQUIRE(dtype_nbytes(entry->dtype, view.numel, &nbytes, &overflow));
  REQUIRE(nbytes == tensor_entry_nbytes(entry));
  view_clear(&view);
}

static void require_header(const Header *header, uint64_t file_size) {
  uint64_t begin = 0;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    require_tensor(header, &header->tensors[i], begin);
    begin = header->tensors[i].end;
  }
  REQUIRE(begin == header_data_nbytes(header));
  REQUIRE(header_data_offset(header) + begin == file_size);
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    require_text(header, header->metadata[i].key);
    require_text(header, header->metadata[i].value);
  }
}

/* The same bytes as the whole of a file. */
static void refuse_as_file(const uint8_t *data, size_t size) {
  uint64_t length;
  Error error = {0};
  if (header_length(data, size, &length)) return;
  bool accepted =
      header_refuse(data, size < SIGNATURE_SIZE ? size : SIGNATURE_SIZE, size, "file", &error);
  require_outcome(accepted, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Error error = {0};
  uint64_t file_size;
  sqlite3_int64 before = sqlite3_memory_used();
  refuse_as_file(data, size);
  Header *header = parse_granting_size(data, size, &file_size, &error);
  if (header != NULL) require_header(header, file_size);
  require_outcome(header != NULL, &error);
  REQUIRE((header != NULL) == (lint_header_errors(data, size, file_size) == 0));
  header_free(header);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
