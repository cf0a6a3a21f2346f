/*
** The attack: a damaged file that its maker chose, so that what is called whole reads outside of the file, or
** bytes that another tensor claims.
**
** The input is two bytes by which the file is shorter or longer than its header asks for, and the header's JSON.
*/
#include "format/salvage.h"
#include "base/utf8.h"
#include "fuzz.h"

static char *copy_of(const uint8_t *data, size_t size) {
  char *copy = memory_alloc(size);
  REQUIRE(copy != NULL);
  if (size > 0) memcpy(copy, data, size);
  return copy;
}

/* What is whole lies in the file, in order and apart, and is found by name. */
static void require_whole(const Salvage *salvage, uint64_t file_size) {
  const Header *header = salvage->header;
  uint64_t data_offset = header_data_offset(header), end = 0;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    const char *name = header->text + entry->name.offset;
    uint64_t numel, nbytes;
    REQUIRE(tensor_entry_size(header->text, entry, &numel, &nbytes) == SIZE_WHOLE);
    REQUIRE(nbytes == entry->end - entry->begin && numel == tensor_entry_numel(entry));
    REQUIRE(data_offset + entry->end <= file_size);
    REQUIRE(nbytes == 0 || entry->begin >= end);
    REQUIRE(strlen(name) == entry->name.length);
    REQUIRE(utf8_valid_length(name, entry->name.length) == entry->name.length);
    REQUIRE(header_find(header, name, entry->name.length) == entry);
    if (entry->end > end) end = entry->end;
  }
}

/* Every row is found by its name, and says what is wrong. */
static void require_rows(const Salvage *salvage) {
  for (uint32_t i = 0; i < salvage_row_count(salvage); i++) {
    SalvageRow row = salvage_row(salvage, i), found;
    REQUIRE(row.number == i);
    REQUIRE(i < salvage->header->tensor_count ? row.status == SALVAGE_WHOLE
                                              : row.status != SALVAGE_WHOLE);
    char *message = salvage_message(salvage, &row);
    REQUIRE(message != NULL && strlen(message) > 0);
    memory_free(message);
    if (row.name == NULL) continue;
    REQUIRE(salvage_find(salvage, row.name, row.name_length, i, &found) && found.number == i);
  }
}

/* Of a header that is valid all is whole, in the same order. */
static void require_the_same(const Salvage *salvage, const Header *header) {
  const Header *whole = salvage->header;
  REQUIRE(salvage_row_count(salvage) == header->tensor_count);
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *a = &whole->tensors[i], *b = &header->tensors[i];
    REQUIRE(a->dtype == b->dtype && a->begin == b->begin && a->end == b->end);
    REQUIRE(strcmp(whole->text + a->name.offset, header->text + b->name.offset) == 0);
    REQUIRE(strcmp(whole->text + a->shape.offset, header->text + b->shape.offset) == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Error error = {0};
  uint64_t asked;
  if (size < 2) return 0;
  sqlite3_int64 before = sqlite3_memory_used();
  uint64_t announced = size - 2, length = announced;
  Header *header = parse_granting_size(data + 2, length, &asked, &error);
  error_clear(&error);
  uint64_t file_size = asked + (data[0] > 1 ? data[0] : 0);
  file_size -= data[1] < file_size - HEADER_PREFIX_SIZE ? data[1] : file_size - HEADER_PREFIX_SIZE;
  if (length > file_size - HEADER_PREFIX_SIZE) length = file_size - HEADER_PREFIX_SIZE;
  Salvage *salvage =
      salvage_parse(copy_of(data + 2, length), length, announced, file_size, "file", NULL, &error);
  require_outcome(salvage != NULL, &error);
  REQUIRE(salvage != NULL);
  require_whole(salvage, file_size);
  require_rows(salvage);
  if (header != NULL && file_size >= asked) require_the_same(salvage, header);
  salvage_free(salvage);
  header_free(header);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
