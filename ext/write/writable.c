#include "write/writable.h"

#include <string.h>

#include "base/memory.h"

Writable *writable_new(const Table *table, const char *path, Error *error) {
  Writable *writable = memory_zeroed(1, sizeof *writable);
  if (writable != NULL) {
    memcpy(writable, table, sizeof *table); /* it begins with the same members */
    writable->transaction = transaction_of(table->session);
    writable->path = path != NULL ? memory_copy_text(path, strlen(path)) : NULL;
    if (writable->transaction != NULL && (path == NULL || writable->path != NULL)) return writable;
    memory_free(writable->path);
  }
  memory_free(writable);
  error_memory(error);
  return NULL;
}

Target *writable_target(Writable *table, Error *error) {
  if (table->target == NULL)
    table->target = transaction_target(table->transaction, table->path, error);
  return table->target;
}

Target *writable_content(Writable *table, Error *error) {
  Target *target = writable_target(table, error);
  if (target == NULL || !target_refresh(target, transaction_sources(table->transaction), error))
    return NULL;
  return target;
}

bool writable_begin_edit(Writable *table, Error *error) {
  Target *target = table->target;
  if (target->use == TARGET_EDITED) return true;
  if (target->use == TARGET_UNUSED)
    return transaction_begin_edit(table->transaction, target, error);
  return error_raise(
      error, ERROR_ARGUMENT, target->path,
      "expected a file that no other table changes in this transaction, found one that "
      "safetensors_write is making; COMMIT first");
}

static Transaction *writable_transaction(sqlite3_vtab *base) {
  return ((Writable *)base)->transaction;
}

/* SQLite handles the OR clause of a table with SQLITE_VTAB_CONSTRAINT_SUPPORT only if xUpdate
** returns plain SQLITE_CONSTRAINT. Tables with a path have this support. In all other cases the
** extended code is more useful. */
int writable_end_update(Writable *table, uint32_t position, bool good, bool ignored, Error *error) {
  if (good) return SQLITE_OK;
  bool is_unique = error->code == ERROR_UNIQUE && table->path != NULL;
  transaction_undo_to(table->transaction, position);
  if (ignored) return SQLITE_CONSTRAINT;
  int code = result_vtab_error(&table->base, error), conflict = sqlite3_vtab_on_conflict(table->db);
  return is_unique && (conflict == SQLITE_FAIL || conflict == SQLITE_ROLLBACK) ? SQLITE_CONSTRAINT
                                                                               : code;
}

int writable_disconnect(sqlite3_vtab *base) {
  Writable *table = (Writable *)base;
  transaction_release_target(table->transaction, table->target);
  memory_free(table->path);
  memory_free(table);
  return SQLITE_OK;
}

/* Whether something is pending for the table. A table whose rows name their targets stands for
** all new targets. */
static bool writable_is_pending(const Writable *table) {
  if (table->path != NULL) return table->target != NULL && table->target->use != TARGET_UNUSED;
  const Target *target = transaction_targets(table->transaction);
  while (target != NULL && target->use != TARGET_NEW) target = target->next;
  return target != NULL;
}

/* SQLite ignores a message of this method, and reports that of the code: "database table is
** locked". */
int writable_destroy(sqlite3_vtab *base) {
  if (writable_is_pending((const Writable *)base)) return SQLITE_LOCKED;
  return writable_disconnect(base);
}

int writable_close(sqlite3_vtab_cursor *cursor) {
  Transaction *transaction = writable_transaction(cursor->pVtab);
  int code = table_close(cursor);
  transaction_rest(transaction);
  return code;
}

int writable_begin(sqlite3_vtab *base) {
  (void)base;
  return SQLITE_OK;
}

/* SQLITE_FULL is returned only at COMMIT. In other methods it would make SQLite roll the
** transaction back. */
int writable_sync(sqlite3_vtab *base) {
  Error error = {0};
  if (transaction_sync(writable_transaction(base), &error)) return SQLITE_OK;
  bool full = error.code == ERROR_FULL;
  int code = result_vtab_error(base, &error);
  return full ? SQLITE_FULL : code;
}

int writable_commit(sqlite3_vtab *base) {
  transaction_commit(writable_transaction(base));
  return SQLITE_OK;
}

int writable_rollback(sqlite3_vtab *base) {
  transaction_rollback(writable_transaction(base));
  return SQLITE_OK;
}

int writable_savepoint(sqlite3_vtab *base, int level) {
  Error error = {0};
  if (transaction_savepoint(writable_transaction(base), level, &error)) return SQLITE_OK;
  return result_vtab_error(base, &error);
}

int writable_release(sqlite3_vtab *base, int level) {
  transaction_release(writable_transaction(base), level);
  return SQLITE_OK;
}

int writable_rollback_to(sqlite3_vtab *base, int level) {
  transaction_rollback_to(writable_transaction(base), level);
  return SQLITE_OK;
}

/* ALTER TABLE ... RENAME: nothing is stored under the table's name. */
int writable_rename(sqlite3_vtab *base, const char *name) {
  (void)base, (void)name;
  return SQLITE_OK;
}
