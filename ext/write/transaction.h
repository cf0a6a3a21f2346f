/*
** What a connection has changed in its open transaction: a log to undo the changes of all its
** targets, with marks for savepoints. SQLite calls each table that takes part, and the first call
** acts for all of them.
**
** SQLite's calls differ from those for a database in some ways. If a table joins late, SQLite does
** not report the savepoints that were open before; all changes of the table came after them, so
** rolling back to a savepoint without a mark undoes everything. Each table announces the same
** savepoint, and only the first announcement counts. Calls of xRelease can be missing, and SQLite
** can release levels that never began.
**
** Everything that can fail or takes time is done in transaction_sync(), because SQLite ignores
** errors after it.
*/
#ifndef SAFETENSORS_WRITE_TRANSACTION_H
#define SAFETENSORS_WRITE_TRANSACTION_H

#include "write/target.h"

typedef struct Transaction Transaction;

/* The transaction of the session, created when it is first needed. Returns NULL if memory runs
** out. */
Transaction *transaction_of(Session *session);

Session *transaction_session(const Transaction *transaction);
PendingSources *transaction_sources(Transaction *transaction);

/* The first target in the list of those that tables or changes hold. */
Target *transaction_targets(Transaction *transaction);

/* Returns the target in use that was first given by exactly this path, with a new reference, or NULL
** if there is none. */
Target *transaction_used_target(Transaction *transaction, const char *path, uint64_t length);

/* Returns the target that the path leads to, with a new reference, or NULL on error. */
Target *transaction_target(Transaction *transaction, const char *path, Error *error);
void transaction_release_target(Transaction *transaction, Target *target); /* may be NULL */

/* Makes the directory of a path, and those above it, if they are not there. At the end of the transaction
** those go again that are empty. Returns false on error. */
bool transaction_make_directory(Transaction *transaction, const char *path, Error *error);

/* Must be called after a cursor has closed. Closes files that nothing pending refers to. */
void transaction_rest(Transaction *transaction);

/* ---- Changes ---- */

/* Start to use a target that is unused: to create it anew without rows, or to edit the rows that
** it has. Check that it may be written. `mode` may be NULL. Return false on error. */
bool transaction_begin_new(Transaction *transaction, Target *target, const PlaceMode *mode,
                           Error *error);
bool transaction_begin_edit(Transaction *transaction, Target *target, Error *error);

/* Append a row to, or replace a row in, one of the two lists of the target. Take over the
** reference to the row, even on error. Return false on error. */
bool transaction_append(Transaction *transaction, Target *target, PendingRows **rows,
                        PendingRow *row, sqlite3_int64 *rowid, Error *error);
bool transaction_put(Transaction *transaction, Target *target, PendingRows **rows, uint32_t slot,
                     PendingRow *row, Error *error);

/* Set an option of a new target that is unset. Take over the texts, even on error. Return false
** on error. */
bool transaction_set_metadata(Transaction *transaction, Target *target, char *given, char *json,
                              Error *error);
bool transaction_set_limit(Transaction *transaction, Target *target, uint64_t limit, Error *error);
bool transaction_set_mode(Transaction *transaction, Target *target, PlaceMode mode, Error *error);

/* Returns the spool of the target, which is created if there is none, or NULL on error. */
Spool *transaction_spool(Transaction *transaction, Target *target, Error *error);

/* The number of changes. When a row fails, transaction_undo_to() undoes the changes that it
** made. */
uint32_t transaction_position(const Transaction *transaction);
void transaction_undo_to(Transaction *transaction, uint32_t position);

/* Must be called before a change, which makes what was sealed obsolete. */
void transaction_unseal(Transaction *transaction);

/* ---- SQLite's calls ---- */

bool transaction_savepoint(Transaction *transaction, int level, Error *error);
void transaction_release(Transaction *transaction, int level);
void transaction_rollback_to(Transaction *transaction, int level);
bool transaction_sync(Transaction *transaction, Error *error);
void transaction_commit(Transaction *transaction);
void transaction_rollback(Transaction *transaction);

#endif
