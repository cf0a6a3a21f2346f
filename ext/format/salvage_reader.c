#include "format/salvage_reader.h"

#include "base/sqlite.h"
#include "format/header_reader.h"

enum { SALVAGE_READER_PROBLEM = 512 /* bytes: a name in a message, and some words */ };

typedef struct SalvageReader {
  HeaderReader reader;
  bool (*take)(void *context, const SalvageMember *member, Error *error);
  void *context;
  Error *error;
  bool has_fault; /* there was one since the last member; the first is described by: */
  char problem[SALVAGE_READER_PROBLEM];
  uint32_t fault_at; /* in the text */
} SalvageReader;

/* The sink of the walk, which goes on. */
static bool salvage_reader_note(void *context, const JsonFault *fault) {
  SalvageReader *salvaging = context;
  if (salvaging->has_fault) return true;
  salvaging->has_fault = true;
  salvaging->fault_at = (uint32_t)(fault->at - HEADER_PREFIX_SIZE);
  const char *found = fault->found != NULL ? fault->found : "the header's end";
  const char *expected = fault->expected != NULL ? fault->expected : "";
  sqlite3_snprintf(SALVAGE_READER_PROBLEM, salvaging->problem, "%s%s%sfound %s at offset %llu",
                   expected[0] != '\0' ? "expected " : "", expected,
                   expected[0] != '\0' ? ", " : "", found, (unsigned long long)fault->at);
  return true;
}

static bool salvage_reader_tell(SalvageReader *salvaging, const SalvageMember *member) {
  salvaging->has_fault = false;
  return salvaging->take(salvaging->context, member, salvaging->error);
}

static const char *salvage_reader_problem(const SalvageReader *salvaging) {
  return salvaging->has_fault ? salvaging->problem
                              : "expected the rest of the header, found the end of the file";
}

static bool salvage_reader_tensor(SalvageReader *salvaging) {
  HeaderReader *reader = &salvaging->reader;
  tensor_entry_clean_shape(reader->walk.cursor.text, &reader->entry);
  return salvage_reader_tell(
      salvaging, &(SalvageMember){.name = reader->name,
                                  .entry = reader->entry,
                                  .problem = salvaging->has_fault ? salvaging->problem : NULL});
}

static bool salvage_reader_pair(SalvageReader *salvaging) {
  const HeaderReader *reader = &salvaging->reader;
  SalvageMember member = {
      .is_metadata = true, .name = reader->pair.key, .value = reader->pair.value};
  if (salvaging->has_fault)
    member.value = (Span){salvaging->fault_at, reader->walk.cursor.at - salvaging->fault_at};
  return salvage_reader_tell(salvaging, &member);
}

/* Whether the member that could not be read belongs to the metadata, so that no tensor is lost. */
static bool salvage_reader_is_in_metadata(const HeaderReader *reader) {
  return reader->in_pairs || (reader->name.offset != 0 &&
                              header_reader_is_metadata(reader->walk.cursor.text, reader->name));
}

/* Reports a member that could not be read, and skips it. Sets *more to whether anything follows. */
static bool salvage_reader_failed(SalvageReader *salvaging, bool *more) {
  HeaderReader *reader = &salvaging->reader;
  SalvageMember member = {.name = reader->name, .problem = salvage_reader_problem(salvaging)};
  bool is_metadata = salvage_reader_is_in_metadata(reader), is_told = false;
  *more = false;
  if (salvaging->error->code != ERROR_NONE) return false;
  if (!is_metadata) {
    is_told = member.name.offset == 0;
    if (!salvage_reader_tell(salvaging, &member)) return false;
  }
  *more = header_reader_recover(reader);
  salvaging->has_fault = false;
  if (salvaging->error->code != ERROR_NONE) return false;
  if (*more || is_told) return true;
  member = (SalvageMember){.problem =
                               "expected the header to go on, found nothing that can be "
                               "followed"};
  return salvage_reader_tell(salvaging, &member);
}

static bool salvage_reader_members(SalvageReader *salvaging) {
  bool good = header_reader_start(&salvaging->reader), more = good;
  while (good && more) {
    switch (header_reader_next(&salvaging->reader)) {
      case HEADER_READER_TENSOR: good = salvage_reader_tensor(salvaging); break;
      case HEADER_READER_PAIR: good = salvage_reader_pair(salvaging); break;
      case HEADER_READER_METADATA:
      case HEADER_READER_METADATA_END: salvaging->has_fault = false; break;
      case HEADER_READER_END: more = false; break;
      case HEADER_READER_FAILED: good = salvage_reader_failed(salvaging, &more); break;
    }
  }
  return good;
}

bool salvage_read(char *text, uint64_t length, uint64_t announced, const char *subject,
                  bool (*take)(void *context, const SalvageMember *member, Error *error),
                  void *context, Cancel *cancel, Error *error) {
  SalvageReader salvaging = {
      .reader = {.walk = {.cursor = {.text = text, .length = (uint32_t)length},
                          .base = HEADER_PREFIX_SIZE,
                          .sink = salvage_reader_note,
                          .context = &salvaging,
                          .cancel = cancel,
                          .subject = subject,
                          .error = error,
                          .cut_short = length < announced}},
      .take = take,
      .context = context,
      .error = error};
  if (json_cursor_peek(&salvaging.reader.walk.cursor) != '{') {
    /* The message quotes no byte, because the file may be anything. */
    return salvage_reader_tell(
        &salvaging,
        &(SalvageMember){.problem = "expected a header that begins with '{', found none"});
  }
  bool good = salvage_reader_members(&salvaging);
  json_walk_clear(&salvaging.reader.walk);
  return good;
}
