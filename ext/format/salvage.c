#include "format/salvage.h"

#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
#include "base/sqlite.h"
#include "base/utf8.h"
#include "format/salvage_reader.h"
#include "format/signature.h"

enum { SALVAGE_MAX_MESSAGES = 1000, SALVAGE_MAX_ENTRIES = 50000 };

typedef unsigned long long SalvageBig; /* for "%llu" */

bool salvage_header_length(const unsigned char *first, uint64_t file_size, uint64_t *length,
                           uint64_t *announced) {
  if (!header_is_plausible(first, file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE))
    return false;
  uint64_t there = file_size - HEADER_PREFIX_SIZE;
  *announced = header_prefix(first);
  *length = *announced < there ? *announced : there;
  return true;
}

typedef struct SalvageParser {
  Salvage *salvage;
  uint64_t tensor_capacity, entry_capacity, metadata_capacity;
  const char *subject;
  Cancel *cancel;
  Error *error;
} SalvageParser;

static bool salvage_go_on(const SalvageParser *parser, uint64_t row) {
  return cancel_go_on_row(parser->cancel, row, parser->subject, parser->error);
}

/* ---- Members ---- */

static bool salvage_add_metadata(SalvageParser *parser, const SalvageMember *member) {
  Header *header = parser->salvage->header;
  if (!memory_reserve((void **)&header->metadata, &parser->metadata_capacity,
                      header->metadata_count, sizeof *header->metadata)) {
    return error_memory(parser->error);
  }
  header->metadata[header->metadata_count++] = (MetadataEntry){member->name, member->value};
  return true;
}

static bool salvage_add_entry(SalvageParser *parser, Span name, const char *message) {
  Salvage *salvage = parser->salvage;
  if (salvage->entry_count ==
      SALVAGE_MAX_ENTRIES) { /* the last entry stands for all that are not listed */
    salvage->unlisted++;
    salvage->entries[SALVAGE_MAX_ENTRIES - 1].name = (Span){0, 0};
    return true;
  }
  if (!memory_reserve((void **)&salvage->entries, &parser->entry_capacity, salvage->entry_count,
                      sizeof *salvage->entries)) {
    return error_memory(parser->error);
  }
  char *copy = NULL;
  if (salvage->entry_count < SALVAGE_MAX_MESSAGES) {
    copy = memory_copy_text(message, strlen(message));
    if (copy == NULL) return error_memory(parser->error);
  }
  salvage->entries[salvage->entry_count++] = (SalvageEntry){name, copy};
  return true;
}

/* Returns what is wrong with a name, or NULL. */
static const char *salvage_name_problem(const char *name, uint64_t length) {
  if (memchr(name, '\0', (size_t)length) != NULL) return "expected a key without NUL, found one";
  if (utf8_valid_length(name, length) != length) return "expected a name in UTF-8, found none";
  return NULL;
}

static bool salvage_take_tensor(SalvageParser *parser, const SalvageMember *member) {
  Salvage *salvage = parser->salvage;
  const char *text = salvage->header->text;
  uint64_t numel = 0, nbytes = 0;
  const char *problem = member->problem;
  if (problem == NULL)
    problem = salvage_name_problem(text + member->name.offset, member->name.length);
  if (problem != NULL) return salvage_add_entry(parser, member->name, problem);
  if (!memory_reserve((void **)&salvage->tensors, &parser->tensor_capacity, salvage->tensor_count,
                      sizeof *salvage->tensors)) {
    return error_memory(parser->error);
  }
  TensorEntry entry = member->entry;
  bool believed = entry.begin <= entry.end &&
                  tensor_entry_size(text, &entry, &numel, &nbytes) == SIZE_WHOLE &&
                  nbytes == entry.end - entry.begin;
  salvage->tensors[salvage->tensor_count++] =
      (SalvageTensor){.entry = entry, .status = believed ? SALVAGE_WHOLE : SALVAGE_UNREADABLE};
  return true;
}

static bool salvage_take(void *context, const SalvageMember *member, Error *error) {
  SalvageParser *parser = context;
  (void)error; /* it is the same as parser->error */
  return member->is_metadata ? salvage_add_metadata(parser, member)
                             : salvage_take_tensor(parser, member);
}

/* ---- Judging ---- */

/* If several tensors have the same name, the last one is valid, as in the reference
** implementation. */
static bool salvage_find_replaced(const SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  NameTable names;
  uint32_t later;
  bool good = true;
  if (!name_table_start(&names, salvage->header->text, salvage->tensors, sizeof *salvage->tensors,
                        salvage->tensor_count)) {
    return error_memory(parser->error);
  }
  for (uint32_t left = salvage->tensor_count; good && left > 0; left--) {
    SalvageTensor *tensor = &salvage->tensors[left - 1];
    good = salvage_go_on(parser, left);
    if (tensor->status != SALVAGE_WHOLE || name_table_add(&names, left - 1, &later)) continue;
    tensor->status = SALVAGE_OVERLAPS;
    tensor->other_name = salvage->tensors[later].entry.name.offset;
  }
  name_table_free(&names);
  return good;
}

static void salvage_mark(SalvageTensor *tensor, const SalvageTensor *other) {
  if (tensor->status != SALVAGE_WHOLE) return;
  tensor->status = SALVAGE_OVERLAPS;
  tensor->other_name = other->entry.name.offset;
}

/* Tensors are sorted by offset. If one shares a byte with any tensor before it, it also shares
** one with the tensor that ends last among those. So this marks both of any two that overlap, in
** one pass. */
static bool salvage_find_overlaps(const SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  SalvageTensor *last = NULL;
  for (uint32_t i = 0; i < salvage->tensor_count; i++) {
    SalvageTensor *tensor = &salvage->tensors[i];
    if (!salvage_go_on(parser, i)) return false;
    if (tensor->status != SALVAGE_WHOLE || tensor->entry.begin == tensor->entry.end) continue;
    if (last != NULL && tensor->entry.begin < last->entry.end) {
      salvage_mark(tensor, last);
      salvage_mark(last, tensor);
    }
    if (last == NULL || tensor->entry.end > last->entry.end) last = tensor;
  }
  return true;
}

static bool salvage_find_cut(const SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  uint64_t data_offset = header_data_offset(salvage->header);
  for (uint32_t i = 0; i < salvage->tensor_count; i++) {
    SalvageTensor *tensor = &salvage->tensors[i];
    if (!salvage_go_on(parser, i)) return false;
    if (tensor->status == SALVAGE_WHOLE && data_offset + tensor->entry.end > salvage->file_size)
      tensor->status = SALVAGE_CUT;
  }
  return true;
}

/* ---- What was found, in order ---- */

/* It is safe to overwrite the byte after a name, which at the latest is its closing quote, and
** the byte after a shape, which is still part of the entry. */
static void salvage_terminate(char *text, const TensorEntry *entry) {
  text[entry->name.offset + entry->name.length] = '\0';
  text[entry->shape.offset + entry->shape.length] = '\0';
}

/* Moves the tensors that are whole into the header. */
static bool salvage_part(const SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  Header *header = salvage->header;
  uint32_t whole = 0, kept = 0;
  for (uint32_t i = 0; i < salvage->tensor_count; i++) {
    salvage_terminate(header->text, &salvage->tensors[i].entry);
    whole += salvage->tensors[i].status == SALVAGE_WHOLE;
  }
  header->tensors = memory_zeroed(whole, sizeof *header->tensors);
  if (header->tensors == NULL) return error_memory(parser->error);
  for (uint32_t i = 0; i < salvage->tensor_count; i++) {
    if (!salvage_go_on(parser, i)) return false;
    if (salvage->tensors[i].status == SALVAGE_WHOLE) {
      header->tensors[header->tensor_count++] = salvage->tensors[i].entry;
    } else {
      salvage->tensors[kept++] = salvage->tensors[i];
    }
  }
  salvage->tensor_count = kept;
  return true;
}

static bool salvage_index_whole(const SalvageParser *parser) {
  Header *header = parser->salvage->header;
  uint32_t earlier;
  if (!name_table_start(&header->names, header->text, header->tensors, sizeof *header->tensors,
                        header->tensor_count)) {
    return error_memory(parser->error);
  }
  for (uint32_t row = 0; row < header->tensor_count; row++) {
    if (!salvage_go_on(parser, row)) return false;
    name_table_add(&header->names, row, &earlier); /* whole tensors have distinct names */
  }
  return true;
}

static int salvage_compare_names(const void *left, const void *right) {
  const SalvageName *a = left, *b = right;
  int order = name_table_compare(a->name, a->length, b->name, b->length);
  return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

static bool salvage_index_others(const SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  uint32_t count = salvage_row_count(salvage), whole = salvage->header->tensor_count;
  salvage->names = memory_zeroed(count - whole, sizeof *salvage->names);
  if (salvage->names == NULL) return error_memory(parser->error);
  for (uint32_t i = whole; i < count; i++) {
    SalvageRow row = salvage_row(salvage, i);
    if (!salvage_go_on(parser, i)) return false;
    if (row.name == NULL) continue;
    salvage->names[salvage->name_count++] = (SalvageName){row.name, (uint32_t)row.name_length, i};
  }
  return sort_rows(salvage->names, salvage->name_count, sizeof *salvage->names,
                   salvage_compare_names, parser->cancel, parser->subject, parser->error);
}

static bool salvage_judge(SalvageParser *parser) {
  Salvage *salvage = parser->salvage;
  return salvage_find_replaced(parser) &&
         sort_rows(salvage->tensors, salvage->tensor_count, sizeof *salvage->tensors,
                   tensor_entry_compare, parser->cancel, parser->subject, parser->error) &&
         salvage_find_overlaps(parser) && salvage_find_cut(parser) && salvage_part(parser) &&
         salvage_index_whole(parser) && salvage_index_others(parser);
}

Salvage *salvage_parse(char *text, uint64_t length, uint64_t announced, uint64_t file_size,
                       const char *subject, Cancel *cancel, Error *error) {
  Salvage *salvage = memory_zeroed(1, sizeof *salvage);
  Header *header = memory_zeroed(1, sizeof *header);
  if (salvage == NULL || header == NULL) {
    memory_free(salvage);
    memory_free(header);
    memory_free(text);
    error_memory(error);
    return NULL;
  }
  *header = (Header){.text = text, .length = (uint32_t)announced, .text_length = (uint32_t)length};
  *salvage = (Salvage){.header = header, .file_size = file_size};
  SalvageParser parser = {.salvage = salvage, .subject = subject, .cancel = cancel, .error = error};
  if (salvage_read(text, length, announced, subject, salvage_take, &parser, cancel, error) &&
      salvage_judge(&parser)) {
    return salvage;
  }
  salvage_free(salvage);
  return NULL;
}

void salvage_free(Salvage *salvage) {
  if (salvage == NULL) return;
  for (uint32_t i = 0; i < salvage->entry_count && i < SALVAGE_MAX_MESSAGES; i++) {
    memory_free(salvage->entries[i].message);
  }
  header_free(salvage->header);
  memory_free(salvage->tensors);
  memory_free(salvage->entries);
  memory_free(salvage->names);
  memory_free(salvage);
}

uint64_t salvage_memory(const Salvage *salvage) {
  enum { SALVAGE_MESSAGE = 128 /* an estimate, in bytes */ };
  uint64_t messages =
      salvage->entry_count < SALVAGE_MAX_MESSAGES ? salvage->entry_count : SALVAGE_MAX_MESSAGES;
  return sizeof *salvage + header_memory(salvage->header) + messages * SALVAGE_MESSAGE +
         salvage->tensor_count * sizeof(SalvageTensor) +
         salvage->entry_count * sizeof(SalvageEntry) + salvage->name_count * sizeof(SalvageName);
}

/* ---- Rows ---- */

uint32_t salvage_row_count(const Salvage *salvage) {
  return salvage->header->tensor_count + salvage->tensor_count + salvage->entry_count;
}

static SalvageRow salvage_row_of(const Salvage *salvage, uint32_t number, SalvageStatus status,
                                 const TensorEntry *entry) {
  return (SalvageRow){.number = number,
                      .status = status,
                      .name = salvage->header->text + entry->name.offset,
                      .name_length = entry->name.length,
                      .entry = entry};
}

SalvageRow salvage_row(const Salvage *salvage, uint32_t number) {
  const Header *header = salvage->header;
  uint32_t i = number;
  if (i < header->tensor_count)
    return salvage_row_of(salvage, number, SALVAGE_WHOLE, &header->tensors[i]);
  i -= header->tensor_count;
  if (i < salvage->tensor_count) {
    const SalvageTensor *tensor = &salvage->tensors[i];
    return salvage_row_of(salvage, number, tensor->status, &tensor->entry);
  }
  Span name = salvage->entries[i - salvage->tensor_count].name;
  return (SalvageRow){.number = number,
                      .status = SALVAGE_UNREADABLE,
                      .name = name.offset != 0 ? header->text + name.offset : NULL,
                      .name_length = name.length};
}

bool salvage_find(const Salvage *salvage, const char *name, uint64_t length, uint32_t from,
                  SalvageRow *row) {
  const TensorEntry *whole = header_find(salvage->header, name, length);
  uint32_t low = 0, high = salvage->name_count;
  if (whole != NULL && (size_t)(whole - salvage->header->tensors) >= from) {
    *row = salvage_row(salvage, (uint32_t)(whole - salvage->header->tensors));
    return true;
  }
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const SalvageName *at = &salvage->names[middle];
    int order = name_table_compare(at->name, at->length, name, length);
    if (order < 0 || (order == 0 && at->row < from)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == salvage->name_count) return false;
  const SalvageName *found = &salvage->names[low];
  if (name_table_compare(found->name, found->length, name, length) != 0) return false;
  *row = salvage_row(salvage, found->row);
  return true;
}

/* ---- Messages ---- */

/* Explains why the fields of an entry that could be read contradict each other. */
static char *salvage_message_of_size(const Salvage *salvage, const TensorEntry *entry) {
  const char *shape = salvage->header->text + entry->shape.offset;
  uint64_t numel = 0, nbytes = 0;
  if (entry->begin > entry->end) {
    return sqlite3_mprintf("end before begin: found data_offsets [%llu,%llu]",
                           (SalvageBig)entry->begin, (SalvageBig)entry->end);
  }
  switch (tensor_entry_size(salvage->header->text, entry, &numel, &nbytes)) {
    case SIZE_OVERFLOW:
      return sqlite3_mprintf("dtype %s and shape %.*s overflow 64 bits", dtype_name(entry->dtype),
                             ERROR_NAME(shape, entry->shape.length));
    case SIZE_PART_OF_BYTE:
      return sqlite3_mprintf("dtype %s and shape %.*s end inside a byte", dtype_name(entry->dtype),
                             ERROR_NAME(shape, entry->shape.length));
    case SIZE_WHOLE: break;
  }
  return sqlite3_mprintf(
      "dtype %s and shape %.*s take %llu bytes, found %llu in data_offsets "
      "[%llu,%llu]",
      dtype_name(entry->dtype), ERROR_NAME(shape, entry->shape.length), (SalvageBig)nbytes,
      (SalvageBig)(entry->end - entry->begin), (SalvageBig)entry->begin, (SalvageBig)entry->end);
}

static char *salvage_message_of_overlap(const Salvage *salvage, const SalvageTensor *tensor) {
  const char *text = salvage->header->text, *other = text + tensor->other_name;
  if (strcmp(text + tensor->entry.name.offset, other) == 0) {
    return sqlite3_mprintf("expected each name once, found it again: a later entry stands for it");
  }
  return sqlite3_mprintf(
      "expected bytes of its own, found data_offsets [%llu,%llu], which overlap those of tensor "
      "\"%.*s\"",
      (SalvageBig)tensor->entry.begin, (SalvageBig)tensor->entry.end,
      ERROR_NAME(other, strlen(other)));
}

static char *salvage_message_of_cut(const Salvage *salvage, const TensorEntry *entry) {
  uint64_t data_offset = header_data_offset(salvage->header);
  return sqlite3_mprintf("expected bytes %llu to %llu of the file, found its end at %llu",
                         (SalvageBig)(data_offset + entry->begin),
                         (SalvageBig)(data_offset + entry->end), (SalvageBig)salvage->file_size);
}

char *salvage_message(const Salvage *salvage, const SalvageRow *row) {
  uint32_t whole = salvage->header->tensor_count;
  switch (row->status) {
    case SALVAGE_WHOLE: return sqlite3_mprintf("nothing is wrong");
    case SALVAGE_CUT: return salvage_message_of_cut(salvage, row->entry);
    case SALVAGE_OVERLAPS:
      return salvage_message_of_overlap(salvage, &salvage->tensors[row->number - whole]);
    case SALVAGE_UNREADABLE: break;
  }
  if (row->entry != NULL) return salvage_message_of_size(salvage, row->entry);
  uint32_t number = row->number - whole - salvage->tensor_count;
  if (salvage->unlisted > 0 && number == SALVAGE_MAX_ENTRIES - 1)
    return sqlite3_mprintf("%u entries more cannot be read", salvage->unlisted + 1);
  const char *message = salvage->entries[number].message;
  return sqlite3_mprintf("%s", message != NULL ? message : "expected an entry that can be read");
}
