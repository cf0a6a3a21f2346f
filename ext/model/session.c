#include "model/session.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/mapping.h"
#include "base/memory.h"
#include "format/signature.h"
#include "model/file_table.h"
#include "model/seen.h"

enum { SESSION_MAX_BUSY = 8 };

/* File systems take times from a clock that ticks every 1 to 10 ms or, if they store whole seconds,
** every 1 or 2 s (FAT). */
static const int64_t session_second = 1000000000;
static const int64_t session_clock_tick = 50000000, session_coarse_tick = 2050000000;

struct Session {
  uint32_t references;
  uint64_t header_bytes;
  Settings settings;
  uint64_t asked;
  Cancel cancel;
  RowNumbers *row_numbers;
  Network *network;
  uint32_t leases;
  uint32_t searches; /* see session_searches() */
  uint64_t searched; /* the period in which they were counted */
  uint64_t period;   /* counts the periods with a lease, from 1 */
  sqlite3_stmt
      *busy[SESSION_MAX_BUSY]; /* the statements that were running when this period began; NULL
                               ** after the last */
  Seen seen;
  SessionGuest transaction, weights, adapters, models, passes, quantiles, steps;
  OpenFiles open_files;
  File *newest, *oldest; /* files with a header or an index, by last use */
  FileTable files;
  HeaderBuffers buffers;
};

Session *session_new(sqlite3 *db) {
  Session *session = memory_zeroed(1, sizeof *session);
  if (session == NULL) return NULL;
  session->references = 1;
  session->cancel.db = db;
  session->period = 1;
  session->settings.io = MAPPING_IS_FREE ? IO_MAP : IO_PREAD;
  session->row_numbers = row_numbers_new();
  session->settings.network = (NetworkSettings){.limit = NETWORK_LIMIT, .caches = true};
  session->network =
      network_new(&session->settings.network, &session->cancel, &session->settings.progress);
  session->open_files.network = session->network;
  if (session->row_numbers != NULL && session->network != NULL) return session;
  network_free(session->network);
  row_numbers_free(session->row_numbers);
  memory_free(session);
  return NULL;
}

Session *session_retain(Session *session) {
  session->references++;
  return session;
}

Settings *session_settings(Session *session) {
  return &session->settings;
}

uint64_t *session_asked(Session *session) {
  return &session->asked;
}

sqlite3 *session_db(const Session *session) {
  return session->cancel.db;
}

Cancel *session_cancel(Session *session) {
  return &session->cancel;
}

SessionGuest *session_transaction(Session *session) {
  return &session->transaction;
}

SessionGuest *session_weights(Session *session) {
  return &session->weights;
}

SessionGuest *session_adapters(Session *session) {
  return &session->adapters;
}

SessionGuest *session_models(Session *session) {
  return &session->models;
}

SessionGuest *session_steps(Session *session) {
  return &session->steps;
}

void session_release_guest(SessionGuest *guest) {
  if (guest->guest != NULL) guest->release(guest->guest);
  guest->guest = NULL;
}

SessionGuest *session_passes(Session *session) {
  return &session->passes;
}

SessionGuest *session_quantiles(Session *session) {
  return &session->quantiles;
}

HeaderBuffers *session_header_buffers(Session *session) {
  return &session->buffers;
}

Network *session_network(Session *session) {
  return session->network;
}

RowNumbers *session_row_numbers(Session *session) {
  return session->row_numbers;
}

static void session_free_contents(File *file) {
  header_free(file->header);
  salvage_free(file->salvage);
  index_free(file->index);
  file->header = NULL;
  file->salvage = NULL;
  file->index = NULL;
}

static void session_file_free(File *file) {
  session_free_contents(file);
  memory_free(file);
}

void session_release(Session *session) {
  if (--session->references > 0) return;
  session_release_guest(&session->steps);
  session_release_guest(&session->transaction);
  session_release_guest(&session->adapters);
  session_release_guest(&session->weights);
  session_release_guest(&session->models);
  session_release_guest(&session->passes);
  session_release_guest(&session->quantiles);
  open_files_end(&session->open_files);
  seen_clear(&session->seen);
  for (File *file = file_table_empty(&session->files), *next; file != NULL; file = next) {
    next = file->next_in_bucket;
    session_file_free(file);
  }
  header_buffers_clear(&session->buffers);
  network_free(session->network);
  row_numbers_free(session->row_numbers);
  memory_free(session);
}

/* ---- The cache of headers ---- */

static void session_forget_use(Session *session, File *file) {
  if (file->newer != NULL) file->newer->older = file->older;
  if (file->older != NULL) file->older->newer = file->newer;
  if (session->newest == file) session->newest = file->older;
  if (session->oldest == file) session->oldest = file->newer;
  file->newer = file->older = NULL;
}

static void session_note_use(Session *session, File *file) {
  file->older = session->newest;
  if (session->newest != NULL) session->newest->newer = file;
  session->newest = file;
  if (session->oldest == NULL) session->oldest = file;
}

static bool session_has_contents(const File *file) {
  return file->header != NULL || file->salvage != NULL || file->index != NULL;
}

static uint64_t session_contents_memory(const File *file) {
  return sizeof *file + (file->header != NULL ? header_memory(file->header) : 0) +
         (file->salvage != NULL ? salvage_memory(file->salvage) : 0) +
         (file->index != NULL ? index_memory(file->index) : 0);
}

static void session_drop_contents(Session *session, File *file) {
  session->header_bytes -= session_contents_memory(file);
  session_forget_use(session, file);
  session_free_contents(file);
}

static void session_remove_file(Session *session, File *file) {
  file_table_remove(&session->files, file);
  session_file_free(file);
}

static void session_forget_file(Session *session, File *file) {
  session_drop_contents(session, file);
  open_files_forget(&session->open_files, file);
  if (!file->open.handed_out)
    session_remove_file(session, file); /* otherwise it is removed when the last lease ends */
}

static void session_drop_old_headers(Session *session) {
  if (session->header_bytes <= SESSION_HEADER_BYTES) return;
  const File *kept = session->newest; /* this file and the newer ones are kept */
  for (int i = 1; i < OPEN_FILES_KEPT && kept != NULL; i++) kept = kept->older;
  if (kept == NULL) return;
  for (File *file = session->oldest, *newer; file != kept; file = newer) {
    if (session->header_bytes <= SESSION_HEADER_BYTES) return;
    newer = file->newer;
    if (file->pins == 0) session_forget_file(session, file);
  }
}

/* ---- Opening ---- */

typedef enum SessionFileKind {
  SESSION_FILE_WITH_HEADER,
  SESSION_FILE_DAMAGED,
  SESSION_FILE_WITH_INDEX
} SessionFileKind;

/* The text that a header is parsed from; or an index, which is read and parsed at the same time. */
typedef struct SessionContents {
  HeaderBuffers *buffers; /* what has the text; if it is NULL, the text is a block of its own */
  char *text;
  uint64_t length, hash;
  uint64_t announced; /* for a damaged file: the length of the header according to its first
                      ** bytes */
  Index *index;
} SessionContents;

static void session_drop_text(SessionContents *contents) {
  if (contents->buffers == NULL) memory_free(contents->text);
  contents->text = NULL;
}

static bool session_read_text(int descriptor, const char *path, uint64_t offset, uint64_t length,
                              SessionContents *contents, Error *error) {
  contents->text = contents->buffers != NULL ? header_buffers_text(contents->buffers, length)
                                             : memory_alloc(length);
  contents->length = length;
  if (contents->text == NULL) return error_memory(error);
  if (!file_read(descriptor, path, contents->text, length, offset, error)) {
    session_drop_text(contents);
    return false;
  }
  contents->hash = XXH3_64bits(contents->text, (size_t)length);
  return true;
}

static bool session_read_header(int descriptor, const char *path, uint64_t file_size,
                                SessionContents *contents, Error *error) {
  unsigned char first[SIGNATURE_SIZE];
  uint64_t length = 0, size = file_size < HEADER_PREFIX_SIZE ? file_size : HEADER_PREFIX_SIZE;
  if (!file_read(descriptor, path, first, size, 0, error)) return false;
  if (header_length(first, file_size, &length)) {
    return session_read_text(descriptor, path, HEADER_PREFIX_SIZE, length, contents, error);
  }
  size = file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE;
  return file_read(descriptor, path, first, size, 0, error) &&
         header_refuse(first, size, file_size, path, error);
}

/* Of a truncated header, reads what there is. */
static bool session_read_damaged_header(int descriptor, const char *path, uint64_t file_size,
                                        SessionContents *contents, Error *error) {
  unsigned char first[SIGNATURE_SIZE];
  uint64_t length, size = file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE;
  if (!file_read(descriptor, path, first, size, 0, error)) return false;
  if (!salvage_header_length(first, file_size, &length, &contents->announced))
    return header_refuse(first, size, file_size, path, error);
  return session_read_text(descriptor, path, HEADER_PREFIX_SIZE, length, contents, error);
}

static bool session_read_index(Session *session, int descriptor, const char *path,
                               uint64_t file_size, SessionContents *contents, Error *error) {
  IndexInput input = {.path = path, .descriptor = descriptor, .size = file_size};
  if (file_size > INDEX_MAX_LENGTH) {
    return error_raise(error, ERROR_INVALID, path,
                       "expected an index of at most %d bytes, found %llu", INDEX_MAX_LENGTH,
                       (unsigned long long)file_size);
  }
  contents->index = index_read(&input, &contents->hash, &session->cancel, error);
  return contents->index != NULL;
}

static bool session_has_kind(const File *file, SessionFileKind kind) {
  switch (kind) {
    case SESSION_FILE_WITH_HEADER: return file->header != NULL;
    case SESSION_FILE_DAMAGED: return file->salvage != NULL;
    default: return file->index != NULL;
  }
}

/* The File of this identity with contents of that kind, or NULL. */
static File *session_find_file(Session *session, const FileIdentity *identity,
                               SessionFileKind kind) {
  File *file = file_table_bucket(&session->files, identity);
  while (file != NULL && !(file_identity_equal(&file->identity, identity) &&
                           (session_has_kind(file, kind) || !session_has_contents(file)))) {
    file = file->next_in_bucket;
  }
  return file;
}

static File *session_new_file(const FileIdentity *identity) {
  File *file = memory_zeroed(1, sizeof *file);
  if (file == NULL) return NULL;
  file->identity = *identity;
  file->open.descriptor = -1;
  return file;
}

static File *session_add_file(Session *session, const FileIdentity *identity) {
  File *file = session_new_file(identity);
  if (file != NULL) file_table_add(&session->files, file);
  return file;
}

/* Times in whole seconds are assumed to come from a clock with that resolution; by chance this is
** rarely wrong. A time in the future, as from the clock of a file server, proves nothing. */
bool session_is_recent(const FileIdentity *identity) {
  bool coarse = identity->changed % session_second == 0 || identity->modified % session_second == 0;
  int64_t last = identity->changed > identity->modified ? identity->changed : identity->modified;
  return clock_now() - last < (coarse ? session_coarse_tick : session_clock_tick);
}

/* A file with the same identity as a cached one may still differ from it, if it was written so
** recently that the clock may not have ticked between two states. Such a file is read again, but
** only once for each lease. */
static bool session_cached_contents_serve(const Session *session, const File *file,
                                          SessionFileKind kind) {
  if (file == NULL || !session_has_kind(file, kind)) return false;
  return !file->recent || (session->leases > 0 && file->looked_at == session->period);
}

/* Parses the contents into `parsed`. */
static bool session_parse_contents(Session *session, const char *path, uint64_t size,
                                   const SessionContents *contents, SessionFileKind kind,
                                   File *parsed, Error *error) {
  Cancel *cancel = &session->cancel;
  switch (kind) {
    case SESSION_FILE_WITH_HEADER:
      parsed->header = header_parse(contents->buffers, contents->length, size, path, cancel, error);
      break;
    case SESSION_FILE_DAMAGED:
      parsed->salvage = salvage_parse(contents->text, contents->length, contents->announced, size,
                                      path, cancel, error);
      break;
    case SESSION_FILE_WITH_INDEX: parsed->index = contents->index; break;
  }
  return session_has_contents(parsed);
}

/* Parses the contents into a File of this identity, which has none yet or needs new ones. */
static File *session_parse(Session *session, const char *path, const FileIdentity *identity,
                           const SessionContents *contents, SessionFileKind kind, Error *error) {
  File parsed = {0};
  if (!session_parse_contents(session, path, identity->size, contents, kind, &parsed, error))
    return NULL;
  File *file = session_find_file(session, identity, kind);
  if (file != NULL && file->pins > 0) {
    file = NULL; /* in use with its old contents, so a new File of this identity takes its place */
  } else if (file != NULL && session_has_contents(file)) {
    session_drop_contents(session, file);
  }
  if (file == NULL) file = session_add_file(session, identity);
  if (file == NULL) {
    session_free_contents(&parsed);
    error_memory(error);
    return NULL;
  }
  file->header = parsed.header;
  file->salvage = parsed.salvage;
  file->index = parsed.index;
  file->hash = contents->hash;
  session->header_bytes += session_contents_memory(file);
  session_note_use(session, file);
  return file;
}

/* Of a file of the network, fetches at once what will be read. */
static bool session_fetch_contents(Session *session, const char *path, uint64_t size,
                                   SessionFileKind kind, Error *error) {
  if (!network_has(session->network, path)) return true;
  if (kind != SESSION_FILE_WITH_INDEX) return network_need_header(session->network, path, error);
  return size > INDEX_MAX_LENGTH || network_need_all(session->network, path, size, error);
}

static bool session_read_contents(Session *session, int descriptor, const char *path, uint64_t size,
                                  SessionFileKind kind, SessionContents *contents, Error *error) {
  if (!session_fetch_contents(session, path, size, kind, error)) return false;
  if (kind == SESSION_FILE_WITH_INDEX)
    return session_read_index(session, descriptor, path, size, contents, error);
  file_no_read_ahead(descriptor); /* of the tensors behind the header */
  return kind == SESSION_FILE_DAMAGED
             ? session_read_damaged_header(descriptor, path, size, contents, error)
             : session_read_header(descriptor, path, size, contents, error);
}

static File *session_read_file(Session *session, int descriptor, const FileIdentity *identity,
                               const char *path, SessionFileKind kind, Error *error) {
  SessionContents contents = {.buffers =
                                  kind == SESSION_FILE_WITH_HEADER ? &session->buffers : NULL};
  bool recent = session_is_recent(identity);
  if (!session_read_contents(session, descriptor, path, identity->size, kind, &contents, error))
    return NULL;
  File *file = session_find_file(session, identity, kind);
  if (file != NULL && session_has_kind(file, kind) && file->hash == contents.hash) {
    session_drop_text(&contents);
    index_free(contents.index);
    session_forget_use(session, file);
    session_note_use(session, file);
  } else {
    file = session_parse(session, path, identity, &contents, kind, error);
  }
  header_buffers_trim(&session->buffers);
  if (file == NULL) return NULL;
  file->recent = recent;
  file->looked_at = session->period;
  return file;
}

/* Opens the file, if it lies in one of the directories. */
static int session_open_confined(Session *session, const char *path, const PathList *directories,
                                 FileIdentity *identity, Error *error) {
  int descriptor = open_files_open(&session->open_files, path, identity, error);
  if (descriptor < 0 || file_record_check_within(descriptor, path, directories, error))
    return descriptor;
  file_close(descriptor);
  return -1;
}

/* Identifies the file. It is only opened if it has to lie in one of the directories. */
static bool session_look_at(Session *session, const char *path, const PathList *directories,
                            FileIdentity *identity, int *descriptor, Error *error) {
  *descriptor = -1;
  if (directories == NULL || directories->count == 0) {
    return open_files_identify(&session->open_files, path, identity, error);
  }
  *descriptor = session_open_confined(session, path, directories, identity, error);
  return *descriptor >= 0;
}

/* Keeps the descriptor while there is a lease, so that later reads come from the same file.
** Otherwise closes it. */
static void session_keep_descriptor(Session *session, File *file, int descriptor) {
  bool has_tensors = file != NULL && (file->header != NULL || file->salvage != NULL);
  if (!has_tensors || session->leases == 0 || file->open.descriptor >= 0) {
    file_close(descriptor);
    return;
  }
  file_usual_read_ahead(descriptor);
  open_files_adopt(&session->open_files, file, descriptor);
}

static File *session_open_kind(Session *session, const char *path, const PathList *directories,
                               SessionFileKind kind, Error *error) {
  FileIdentity identity;
  int descriptor;
  if (!session_look_at(session, path, directories, &identity, &descriptor, error)) return NULL;
  File *file = session_find_file(session, &identity, kind);
  if (session_cached_contents_serve(session, file, kind)) {
    session_forget_use(session, file);
    session_note_use(session, file);
  } else {
    if (descriptor < 0) descriptor = open_files_open(&session->open_files, path, &identity, error);
    file = descriptor >= 0 ? session_read_file(session, descriptor, &identity, path, kind, error)
                           : NULL;
  }
  if (file != NULL) file->pins++;
  if (descriptor >= 0) session_keep_descriptor(session, file, descriptor);
  if (file == NULL) return NULL;
  session_drop_old_headers(session);
  return file;
}

File *session_open(Session *session, const char *path, Error *error) {
  return session_open_kind(session, path, NULL, SESSION_FILE_WITH_HEADER, error);
}

File *session_open_within(Session *session, const char *path, const PathList *directories,
                          Error *error) {
  return session_open_kind(session, path, directories, SESSION_FILE_WITH_HEADER, error);
}

File *session_open_damaged(Session *session, const char *path, const PathList *directories,
                           Error *error) {
  return session_open_kind(session, path, directories, SESSION_FILE_DAMAGED, error);
}

File *session_open_index(Session *session, const char *path, const PathList *directories,
                         Error *error) {
  return session_open_kind(session, path, directories, SESSION_FILE_WITH_INDEX, error);
}

void session_unpin(Session *session, File *file) {
  if (file == NULL) return;
  file->pins--;
  session_drop_old_headers(session);
}

bool session_hash_header(int descriptor, const char *path, uint64_t size, uint64_t *hash,
                         Error *error) {
  SessionContents contents = {0};
  if (!session_read_header(descriptor, path, size, &contents, error)) return false;
  *hash = contents.hash;
  session_drop_text(&contents);
  return true;
}

File *session_own(const FileIdentity *identity) {
  File *file = session_new_file(identity);
  if (file != NULL) file->pins = 1;
  return file;
}

/* If a pointer into it was handed out, the mapping stays until the last lease ends, and so does the
** File. */
void session_disown(Session *session, File *file) {
  if (file == NULL) return;
  file->pins = 0;
  open_files_forget(&session->open_files, file);
  if (file->open.handed_out) {
    file_table_add(&session->files, file);
  } else {
    session_file_free(file);
  }
}

/* ---- Leases ---- */

/* The running statements of the connection, up to SESSION_MAX_BUSY, in the order of its list. */
static void session_find_busy(const Session *session, sqlite3_stmt *busy[SESSION_MAX_BUSY]) {
  sqlite3 *db = session->cancel.db;
  sqlite3_stmt *statement = db != NULL ? sqlite3_next_stmt(db, NULL) : NULL;
  int count = 0;
  for (; statement != NULL && count < SESSION_MAX_BUSY;
       statement = sqlite3_next_stmt(db, statement)) {
    if (sqlite3_stmt_busy(statement)) busy[count++] = statement;
  }
  while (count < SESSION_MAX_BUSY) busy[count++] = NULL;
}

/* Whether a statement is running that was not when the first lease began. */
static bool session_is_another_busy(const Session *session) {
  sqlite3_stmt *busy[SESSION_MAX_BUSY];
  session_find_busy(session, busy);
  for (int i = 0; i < SESSION_MAX_BUSY && busy[i] != NULL; i++) {
    int known = 0;
    while (known < SESSION_MAX_BUSY && session->busy[known] != busy[i]) known++;
    if (known == SESSION_MAX_BUSY) return true;
  }
  return false;
}

void session_lease(Session *session) {
  if (session->leases++ > 0) return;
  session->open_files.leased = true;
  session_find_busy(session, session->busy);
}

void session_end_lease(Session *session) {
  if (--session->leases > 0) return;
  session_release_guest(&session->steps);
  session->open_files.leased = false;
  session->period++;
  network_end_period(session->network);
  seen_clear(&session->seen);
  row_numbers_trim(session->row_numbers);
  for (File *file = open_files_end(&session->open_files), *next; file != NULL; file = next) {
    next = file->open.next_handed_out;
    if (file->pins == 0 && !session_has_contents(file)) session_remove_file(session, file);
  }
}

uint32_t *session_searches(Session *session) {
  enum { SESSION_MAX_SEARCHES = 20 };
  if (session->leases == 0 && session->settings.errors == ERRORS_SKIP) return NULL;
  bool counted = session->leases > 0 && session->searched == session->period;
  if (!counted) session->searches = SESSION_MAX_SEARCHES;
  session->searched = session->period;
  return &session->searches;
}

uint64_t session_period(const Session *session) {
  return session->period;
}

bool session_is_leased(const Session *session) {
  return session->leases > 0;
}

bool session_see(Session *session, const char *path, const FileIdentity *identity, Error *error) {
  if (session->leases == 0 || seen_note(&session->seen, path, identity)) return true;
  if (!session_is_another_busy(session)) return file_record_raise_changed(path, "replaced", error);
  seen_replace(&session->seen, path, identity);
  return true;
}

bool session_see_place(Session *session, const char *path, const char *place, Error *error) {
  if (session->leases == 0 || seen_note_place(&session->seen, path, place)) return true;
  if (!session_is_another_busy(session)) {
    return error_raise(error, ERROR_CHANGED, path,
                       "expected it to lead where it led before in this statement, found it "
                       "replaced: it leads to %s; run the statement again",
                       place);
  }
  seen_replace_place(&session->seen, path, place);
  return true;
}

void session_forget_seen(Session *session) {
  session_release_guest(&session->steps);
  seen_clear(&session->seen);
}

/* ---- Bytes ---- */

OpenFiles *session_open_files(Session *session) {
  return &session->open_files;
}
