#include "write/transaction.h"

#include <string.h>

#include "base/memory.h"
#include "format/writer.h"
#include "write/seal.h"

typedef enum TransactionUndoKind {
  TRANSACTION_UNDO_USE,
  TRANSACTION_UNDO_APPEND,
  TRANSACTION_UNDO_PUT,
  TRANSACTION_UNDO_METADATA,
  TRANSACTION_UNDO_LIMIT,
  TRANSACTION_UNDO_MODE
} TransactionUndoKind;

/* One change. For TRANSACTION_UNDO_APPEND, `times` consecutive rows of one list share an entry,
** because a statement may append hundreds of thousands. */
typedef struct TransactionUndo {
  TransactionUndoKind kind;
  uint32_t slot;
  uint32_t times;
  Target *target;     /* a reference */
  PendingRows **rows; /* one of the two lists of the target */
  PendingRow *old;    /* the row that was in the slot */
} TransactionUndo;

typedef struct TransactionMark {
  int level;
  uint32_t position; /* the number of changes before the savepoint */
} TransactionMark;

struct Transaction {
  PendingSources sources;
  Target *targets;
  Places places;
  TransactionUndo *undo;
  uint32_t undo_count;
  uint64_t undo_capacity;
  uint32_t count; /* the number of changes, which is the sum of `times` */
  TransactionMark *marks;
  uint32_t mark_count;
  uint64_t mark_capacity;
  bool sealed; /* targets may be sealed */
  bool synced; /* all files are in their places and synced */
};

/* ---- One for each connection ---- */

static void transaction_free(void *guest) {
  Transaction *transaction = guest;
  transaction_rollback(transaction);
  target_free_idle(&transaction->targets);
  memory_free(transaction->undo);
  memory_free(transaction->marks);
  memory_free(transaction);
}

Transaction *transaction_of(Session *session) {
  SessionGuest *guest = session_transaction(session);
  if (guest->guest != NULL) return guest->guest;
  Transaction *transaction = memory_zeroed(1, sizeof *transaction);
  if (transaction == NULL) return NULL;
  transaction->sources.session = session;
  transaction->places.prefix = WRITER_TEMPORARY;
  *guest = (SessionGuest){transaction, transaction_free};
  return transaction;
}

Session *transaction_session(const Transaction *transaction) {
  return transaction->sources.session;
}

PendingSources *transaction_sources(Transaction *transaction) {
  return &transaction->sources;
}

Target *transaction_targets(Transaction *transaction) {
  return transaction->targets;
}

Target *transaction_used_target(Transaction *transaction, const char *path, uint64_t length) {
  for (Target *target = transaction->targets; target != NULL; target = target->next) {
    if (target->use == TARGET_UNUSED || strlen(target->path) != length ||
        memcmp(target->path, path, (size_t)length) != 0) {
      continue;
    }
    target->references++;
    return target;
  }
  return NULL;
}

Target *transaction_target(Transaction *transaction, const char *path, Error *error) {
  Target *used = transaction_used_target(transaction, path, strlen(path));
  return used != NULL ? used : target_find(&transaction->targets, path, error);
}

void transaction_release_target(Transaction *transaction, Target *target) {
  target_release(&transaction->targets, target);
}

bool transaction_make_directory(Transaction *transaction, const char *path, Error *error) {
  return target_make_directory(path, transaction->sources.session, &transaction->places.made,
                               error);
}

/* A file that was replaced takes disk space as long as it is open. */
void transaction_rest(Transaction *transaction) {
  if (transaction->count == 0 && !session_is_leased(transaction->sources.session))
    pending_sources_close(&transaction->sources);
}

/* ---- The log ---- */

static TransactionUndo *transaction_log(Transaction *transaction, Target *target,
                                        TransactionUndoKind kind, Error *error) {
  if (!memory_reserve((void **)&transaction->undo, &transaction->undo_capacity,
                      transaction->undo_count, sizeof *transaction->undo)) {
    error_memory(error);
    return NULL;
  }
  TransactionUndo *undo = &transaction->undo[transaction->undo_count++];
  *undo = (TransactionUndo){.kind = kind, .times = 1, .target = target};
  target->references++;
  transaction->count++;
  return undo;
}

/* Logs a row that is about to be appended to the list. */
static TransactionUndo *transaction_log_append(Transaction *transaction, Target *target,
                                               PendingRows **rows, Error *error) {
  TransactionUndo *undo =
      transaction->undo_count > 0 ? &transaction->undo[transaction->undo_count - 1] : NULL;
  if (undo != NULL && undo->kind == TRANSACTION_UNDO_APPEND && undo->rows == rows) {
    undo->times++;
    transaction->count++;
    return undo;
  }
  undo = transaction_log(transaction, target, TRANSACTION_UNDO_APPEND, error);
  if (undo != NULL) undo->rows = rows;
  return undo;
}

/* Removes the last change from the log. */
static void transaction_drop_last(Transaction *transaction) {
  TransactionUndo *last = &transaction->undo[transaction->undo_count - 1];
  transaction->count--;
  if (--last->times > 0) return;
  transaction->undo_count--;
  target_release(&transaction->targets, last->target);
}

/* A list that cursors hold is copied first. If there is no memory for the copy, the cursors see
** the undo, which is harmless, because they hold a reference to their current row. */
static void transaction_undo_rows(const TransactionUndo *undo) {
  if (!pending_rows_own(undo->rows)) memory_take_refused();
  if (undo->kind == TRANSACTION_UNDO_APPEND) {
    pending_rows_remove_last(*undo->rows);
  } else {
    pending_row_release(pending_rows_put(*undo->rows, undo->slot, undo->old));
  }
}

static void transaction_undo_last(Transaction *transaction) {
  const TransactionUndo *undo = &transaction->undo[transaction->undo_count - 1];
  Target *target = undo->target;
  switch (undo->kind) {
    case TRANSACTION_UNDO_USE: target_end_use(target); break;
    case TRANSACTION_UNDO_APPEND:
    case TRANSACTION_UNDO_PUT: transaction_undo_rows(undo); break;
    case TRANSACTION_UNDO_METADATA:
      memory_free(target->options.given);
      memory_free(target->options.metadata);
      target->options.given = target->options.metadata = NULL;
      break;
    case TRANSACTION_UNDO_LIMIT: target->options.limit = 0; break;
    case TRANSACTION_UNDO_MODE: target->options.has_mode = false; break;
  }
  transaction_drop_last(transaction);
}

uint32_t transaction_position(const Transaction *transaction) {
  return transaction->count;
}

void transaction_undo_to(Transaction *transaction, uint32_t position) {
  while (transaction->count > position) transaction_undo_last(transaction);
}

/* ---- Changes ---- */

/* Checks the target when the first row comes, by opening it as COMMIT will, because collecting
** the rows may take hours. */
static bool transaction_look(Transaction *transaction, Target *target, Error *error) {
  Place place = {0};
  bool is_edited = target->use == TARGET_EDITED;
  PlaceMode mode = is_edited ? PLACE_REPLACE : target->options.mode;
  const FileIdentity *expected = is_edited ? &target->pending.base.identity : NULL;
  if (!target_check_link(target, error)) return false;
  if (!place_open(&place, &transaction->places, target->path, mode, expected, error)) return false;
  target->has_expected = place.exists;
  target->expected = place.expected;
  bool good = !place.exists || target_check_contents(target, error);
  place_take_back(&place);
  return good;
}

static bool transaction_begin_use(Transaction *transaction, Target *target, TargetUse use,
                                  Error *error) {
  if (transaction_log(transaction, target, TRANSACTION_UNDO_USE, error) == NULL) return false;
  target->use = use;
  return true;
}

bool transaction_begin_new(Transaction *transaction, Target *target, const PlaceMode *mode,
                           Error *error) {
  Pending empty;
  uint32_t position = transaction->count;
  if (!target_check_permission(target, transaction->sources.session, error) ||
      !pending_start(&empty, error)) {
    return false;
  }
  if (!transaction_begin_use(transaction, target, TARGET_NEW, error)) {
    pending_clear(&empty);
    return false;
  }
  target->before = target->pending;
  target->pending = empty;
  target->options =
      (TargetOptions){.has_mode = mode != NULL, .mode = mode != NULL ? *mode : PLACE_CREATE};
  if (transaction_look(transaction, target, error)) return true;
  transaction_undo_to(transaction, position);
  return false;
}

bool transaction_begin_edit(Transaction *transaction, Target *target, Error *error) {
  uint32_t position = transaction->count;
  if (!target_check_permission(target, transaction->sources.session, error) ||
      !transaction_begin_use(transaction, target, TARGET_EDITED, error)) {
    return false;
  }
  if (transaction_look(transaction, target, error)) return true;
  transaction_undo_to(transaction, position);
  return false;
}

bool transaction_append(Transaction *transaction, Target *target, PendingRows **rows,
                        PendingRow *row, sqlite3_int64 *rowid, Error *error) {
  if (!pending_rows_own(rows)) {
    error_memory(error);
  } else if (transaction_log_append(transaction, target, rows, error) != NULL) {
    *rowid = pending_rows_last_rowid(*rows) + 1;
    if (pending_rows_append(*rows, *rowid, row)) return true;
    transaction_drop_last(transaction);
    error_memory(error);
  }
  pending_row_release(row);
  return false;
}

bool transaction_put(Transaction *transaction, Target *target, PendingRows **rows, uint32_t slot,
                     PendingRow *row, Error *error) {
  TransactionUndo *undo = NULL;
  if (pending_rows_own(rows)) {
    undo = transaction_log(transaction, target, TRANSACTION_UNDO_PUT, error);
  } else {
    error_memory(error);
  }
  if (undo == NULL) {
    pending_row_release(row);
    return false;
  }
  undo->rows = rows;
  undo->slot = slot;
  undo->old = pending_rows_put(*rows, slot, row);
  return true;
}

bool transaction_set_metadata(Transaction *transaction, Target *target, char *given, char *json,
                              Error *error) {
  if (transaction_log(transaction, target, TRANSACTION_UNDO_METADATA, error) == NULL) {
    memory_free(given);
    memory_free(json);
    return false;
  }
  target->options.given = given;
  target->options.metadata = json;
  return true;
}

bool transaction_set_limit(Transaction *transaction, Target *target, uint64_t limit, Error *error) {
  if (transaction_log(transaction, target, TRANSACTION_UNDO_LIMIT, error) == NULL) return false;
  target->options.limit = limit;
  return true;
}

bool transaction_set_mode(Transaction *transaction, Target *target, PlaceMode mode, Error *error) {
  if (transaction_log(transaction, target, TRANSACTION_UNDO_MODE, error) == NULL) return false;
  target->options.has_mode = true;
  target->options.mode = mode;
  return true;
}

/* Targets in one directory share a spool, because there can be thousands, such as one for each
** layer of a model. */
static Spool *transaction_find_spool(Transaction *transaction, const Target *target) {
  for (Target *other = transaction->targets; other != NULL; other = other->next) {
    if (other->spool != NULL && other->location.device == target->location.device &&
        other->location.inode == target->location.inode) {
      return spool_retain(other->spool);
    }
  }
  return NULL;
}

static Spool *transaction_new_spool(Transaction *transaction, const Target *target, Error *error) {
  Place place = {0};
  if (!place_open(&place, &transaction->places, target->path, PLACE_REPLACE, NULL, error))
    return NULL;
  int descriptor = place_scratch(&place, error);
  place_take_back(&place);
  return descriptor >= 0 ? spool_new(descriptor, target->path, error) : NULL;
}

Spool *transaction_spool(Transaction *transaction, Target *target, Error *error) {
  if (target->spool == NULL) target->spool = transaction_find_spool(transaction, target);
  if (target->spool == NULL) target->spool = transaction_new_spool(transaction, target, error);
  return target->spool;
}

void transaction_unseal(Transaction *transaction) {
  if (!transaction->sealed) return;
  transaction->sealed = transaction->synced = false;
  for (Target *target = transaction->targets; target != NULL; target = target->next)
    seal_discard(target);
}

/* ---- SQLite's calls ---- */

static TransactionMark *transaction_find_mark(Transaction *transaction, int level) {
  for (uint32_t i = 0; i < transaction->mark_count; i++) {
    if (transaction->marks[i].level == level) return &transaction->marks[i];
  }
  return NULL;
}

static void transaction_drop_marks(Transaction *transaction, int level) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < transaction->mark_count; i++) {
    if (transaction->marks[i].level < level) transaction->marks[kept++] = transaction->marks[i];
  }
  transaction->mark_count = kept;
}

bool transaction_savepoint(Transaction *transaction, int level, Error *error) {
  if (transaction_find_mark(transaction, level) != NULL) return true;
  if (!memory_reserve((void **)&transaction->marks, &transaction->mark_capacity,
                      transaction->mark_count, sizeof *transaction->marks)) {
    return error_memory(error);
  }
  transaction->marks[transaction->mark_count++] = (TransactionMark){level, transaction->count};
  return true;
}

void transaction_release(Transaction *transaction, int level) {
  transaction_drop_marks(transaction, level);
}

void transaction_rollback_to(Transaction *transaction, int level) {
  const TransactionMark *mark = transaction_find_mark(transaction, level);
  uint32_t position = mark != NULL ? mark->position : 0;
  if (position < transaction->count) transaction_unseal(transaction);
  transaction_undo_to(transaction, position);
  for (uint32_t i = 0; i < transaction->mark_count; i++) {
    if (transaction->marks[i].position > position) transaction->marks[i].position = position;
  }
  if (level < INT32_MAX) transaction_drop_marks(transaction, level + 1);
}

bool transaction_sync(Transaction *transaction, Error *error) {
  Session *session = transaction->sources.session;
  if (transaction->synced || transaction->count == 0) return true;
  transaction->sealed = true;
  session_lease(session); /* tensors that are converted need readers */
  bool good = seal_all(transaction->targets, &transaction->places, session, error);
  session_end_lease(session);
  if (good) {
    transaction->synced = true;
    session_forget_seen(session); /* what is read from now on is what was written */
  } else {
    transaction_unseal(transaction);
  }
  return good;
}

/* Discards the log. Targets are no longer in use. */
static void transaction_forget(Transaction *transaction) {
  for (uint32_t i = 0; i < transaction->undo_count; i++) {
    TransactionUndo *undo = &transaction->undo[i];
    pending_row_release(undo->old);
    if (undo->kind == TRANSACTION_UNDO_USE) target_end_use(undo->target);
    target_release(&transaction->targets, undo->target);
  }
  transaction->undo_count = transaction->count = 0;
  transaction->mark_count = 0;
}

void transaction_commit(Transaction *transaction) {
  for (Target *target = transaction->targets; target != NULL; target = target->next) {
    if (target->sealed != NULL) target->is_stale = true;
    seal_finish(target);
  }
  transaction_forget(transaction);
  transaction->sealed = transaction->synced = false;
  places_close(&transaction->places);
  transaction->places = (Places){.prefix = WRITER_TEMPORARY};
  transaction_rest(transaction);
}

void transaction_rollback(Transaction *transaction) {
  transaction_unseal(transaction);
  transaction_undo_to(transaction, 0);
  transaction->mark_count = 0;
  places_close(&transaction->places);
  transaction->places = (Places){.prefix = WRITER_TEMPORARY};
  transaction_rest(transaction);
}
