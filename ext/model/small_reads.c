#include "model/small_reads.h"

#include "base/memory.h"
#include "model/statement_step.h"

enum { SMALL_READS_KEPT = 4 };

/* What the session keeps while there is a lease: its guest. */
typedef struct SmallReads {
  SmallRead *kept[SMALL_READS_KEPT]; /* the one used last first */
} SmallReads;

void small_read_end(SmallRead *read) {
  if (read == NULL || --read->references > 0) return;
  memory_free(read->bytes);
  memory_free(read);
}

static void small_reads_release(void *guest) {
  SmallReads *reads = guest;
  for (int i = 0; i < SMALL_READS_KEPT; i++) small_read_end(reads->kept[i]);
  memory_free(reads);
}

/* NULL if memory runs out. */
static SmallReads *small_reads_of(StatementSteps *steps) {
  SessionGuest *guest = &steps->small_reads;
  if (guest->guest != NULL) return guest->guest;
  *guest = (SessionGuest){memory_zeroed(1, sizeof(SmallReads)), small_reads_release};
  return guest->guest;
}

/* Whether the part has the byte or ends just before it, and its bytes are still those of the file: they were read in
** this step, or the file has been seen in it as it was then, and every change shows. */
static bool small_read_leads_to(const SmallRead *read, const File *file, uint64_t step,
                                uint64_t begin) {
  return read != NULL && begin >= read->begin && begin <= read->end &&
         (read->step == step || (file->seen_in == step && !file->recent)) &&
         file_identity_equal(&read->identity, &file->identity);
}

/* The place of the part that has the first of the bytes, or ends just before it; else of one that is not in use,
** the least recently used. */
static int small_reads_find(const SmallReads *reads, const File *file, uint64_t step,
                            uint64_t begin) {
  int free_place = SMALL_READS_KEPT - 1;
  for (int i = 0; i < SMALL_READS_KEPT; i++) {
    const SmallRead *read = reads->kept[i];
    if (read == NULL || read->references == 1) free_place = i;
    if (small_read_leads_to(read, file, step, begin)) return i;
  }
  return free_place;
}

static bool small_read_make_room(SmallRead *read, uint64_t size, Error *error) {
  if (size <= read->room) return true;
  unsigned char *bytes = memory_alloc(size);
  if (bytes == NULL) return error_memory(error);
  memory_free(read->bytes);
  read->bytes = bytes;
  read->room = size;
  return true;
}

static bool small_read_fill(SmallRead *read, Session *session, File *file, const char *path,
                            uint64_t begin, uint64_t end, Error *error) {
  OpenFiles *files = session_open_files(session);
  read->end = read->begin = 0;
  if (!small_read_make_room(read, end - begin, error) ||
      !open_file_begin_reading(files, file, path, error)) {
    return false;
  }
  bool good = file_read(file->open.descriptor, path, read->bytes, end - begin, begin, error) &&
              open_file_check(file, path, error);
  open_file_end(files, file);
  read->identity = file->identity;
  read->begin = begin;
  read->end = good ? end : begin;
  return good;
}

static SmallRead *small_reads_new(SmallRead **place, Error *error) {
  SmallRead *read = memory_zeroed(1, sizeof *read);
  if (read == NULL) {
    error_memory(error);
    return NULL;
  }
  small_read_end(*place);
  read->references = 1;
  *place = read;
  return read;
}

/* The part at a place, filled anew unless it has the bytes: with as much as there may be if the bytes follow those
** that were read last. */
static SmallRead *small_reads_take(SmallRead **place, Session *session, File *file,
                                   const char *path, uint64_t step, uint64_t begin, uint64_t end,
                                   Error *error) {
  SmallRead *read = *place;
  bool is_of = small_read_leads_to(read, file, step, begin);
  if (is_of && end <= read->end) {
    read->step = step;
    return read;
  }
  if (is_of && end - begin < SMALL_READ_MAX) {
    end =
        begin + SMALL_READ_MAX < file->identity.size ? begin + SMALL_READ_MAX : file->identity.size;
  }
  if (read == NULL || read->references > 1) read = small_reads_new(place, error);
  if (read == NULL || !small_read_fill(read, session, file, path, begin, end, error)) return NULL;
  read->step = step;
  return read;
}

const unsigned char *small_read(Session *session, File *file, const char *path, uint64_t begin,
                                uint64_t size, SmallRead **out, Error *error) {
  StatementSteps *steps = statement_steps(session);
  SmallReads *reads = steps != NULL ? small_reads_of(steps) : NULL;
  if (reads == NULL) return NULL;
  uint64_t step = statement_step(steps);
  int at = small_reads_find(reads, file, step, begin);
  SmallRead *read =
      small_reads_take(&reads->kept[at], session, file, path, step, begin, begin + size, error);
  if (read == NULL) return NULL;
  for (; at > 0; at--) reads->kept[at] = reads->kept[at - 1];
  reads->kept[0] = read;
  read->references++;
  *out = read;
  return read->bytes + (begin - read->begin);
}
