/*
** The files that a connection has opened: their parsed headers (or, for the index of a sharded
** model, its contents) and, while statements run, their descriptors and mappings (open_files.h).
**
** A connection has one Session, which is shared by all its modules and functions. Each of them
** holds a reference. SQLite calls them under the mutex of the connection, so a Session needs no
** lock.
**
** LEASES. A pointer that was passed to SQLite with SQLITE_STATIC is only held by the statement to
** which it was handed out. Values that leave a statement (bound values, stored ones,
** sqlite3_value_dup()) are copies. The pointer is no longer used once the statement halts, when
** SQLite closes the cursors of its virtual tables and deletes the auxiliary data of its functions.
** So an open cursor is a lease, and so is the auxiliary datum of a function (sql/lease.h). What was
** handed out stays mapped as long as there is any lease. When the last lease ends, everything is
** unmapped and closed, and the disk space of deleted files is freed.
**
** When SQLite reopens a cursor it opens the new one before it closes the old one, so there is
** always a lease in the middle of a statement.
**
** ONE STATE. While there is a lease, a path must lead to the same file, in the same state, as
** before. Otherwise it is an error (session_see()). A path that a statement asks for again and again is looked at once
** in each of its steps (statement_step.h).
**
** Parsed headers are cached by (device, inode, size, times), up to SESSION_HEADER_BYTES, and the
** least recently used are dropped first. The last OPEN_FILES_KEPT files are kept whatever their
** size, so that a query that alternates between huge models does not read them again and again. If
** the times prove too little (because the file was changed within a tick of its file system's clock
** before it was read, or because its time is in the future), the bytes of the header are read and
** compared once more in each lease.
*/
#ifndef SAFETENSORS_MODEL_SESSION_H
#define SAFETENSORS_MODEL_SESSION_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "format/header.h"
#include "format/index.h"
#include "model/file_record.h"
#include "model/network.h"
#include "model/open_files.h"
#include "model/row_numbers.h"

/* The memory limit for headers that no cursor uses. */
#define SESSION_HEADER_BYTES ((uint64_t)64 << 20)

typedef struct Session Session;

/* How the bytes of tensors are read: see source.h. */
typedef enum IoMode { IO_MAP, IO_PREAD } IoMode;

/* Where the shards and the index of a model may link to: anywhere, or only within its directory. */
typedef enum LinkMode { LINKS_FOLLOW, LINKS_WITHIN } LinkMode;

/* What a file that cannot be read results in: an error, or no rows and NULL. */
typedef enum ErrorMode { ERRORS_STOP, ERRORS_SKIP } ErrorMode;

/* Whether the connection may write files. Once off, it stays off. */
typedef enum WritingMode { WRITING_ON, WRITING_OFF } WritingMode;

/* The settings of a connection: see func/config.c. */
typedef struct Settings {
  IoMode io;
  Progress progress;
  LinkMode links;
  ErrorMode errors;
  WritingMode writing;
  NetworkSettings network;
  bool locked; /* no setting can be changed any more */
} Settings;

/* Makes a Session with one reference, for a connection; `db` may be NULL in tests. NULL if memory
** runs out. session_retain() adds a reference, and session_release() drops one, the last of which
** releases the Session. */
Session *session_new(sqlite3 *db);
Session *session_retain(Session *session);
void session_release(Session *session);

Settings *session_settings(Session *session);

/* How many columns of safetensors_files SQLite has asked for on this connection: see sql/late.h. */
uint64_t *session_asked(Session *session);

/* The connection of the Session, and the state of its cancellation. */
sqlite3 *session_db(const Session *session);
Cancel *session_cancel(Session *session);

/* What headers are parsed in. */
HeaderBuffers *session_header_buffers(Session *session);

/* The files of the network, if the connection may ask for them. */
Network *session_network(Session *session);

/* The rowids of the rows of its tables. */
RowNumbers *session_row_numbers(Session *session);

/* Opens the file in its current state: its header is read, parsed and validated, or found in the
** cache. The File is pinned until session_unpin(). NULL on an error. */
File *session_open(Session *session, const char *path, Error *error);

/* The same for a file that must lie in one of the directories: see file_record_check_within(). */
File *session_open_within(Session *session, const char *path, const PathList *directories,
                          Error *error);

/* The same for a file that may be invalid, for its `salvage`. It is only an error if the file was
** never meant to be a safetensors file. */
File *session_open_damaged(Session *session, const char *path, const PathList *directories,
                           Error *error);

/* The same for the index of a sharded model. */
File *session_open_index(Session *session, const char *path, const PathList *directories,
                         Error *error);

void session_unpin(Session *session, File *file);

/* A File of this identity for callers that only read bytes. It has no header and is not in the
** cache. session_disown() releases it. NULL if memory runs out. */
File *session_own(const FileIdentity *identity);
void session_disown(Session *session, File *file);

/* The hash of an open file's header, as it is in a File. */
bool session_hash_header(int descriptor, const char *path, uint64_t size, uint64_t *hash,
                         Error *error);

/* An object that the session keeps for a layer above it, and the function that releases it when the
** session ends. */
typedef struct SessionGuest {
  void *guest;
  void (*release)(void *guest);
} SessionGuest;

/* Releases it, if there is one. */
void session_release_guest(SessionGuest *guest);

/* The pending changes to files: write/transaction.h. NULL at first. */
SessionGuest *session_transaction(Session *session);

/* The weights of paths that were read last: weights.h. NULL at first. */
SessionGuest *session_weights(Session *session);

/* The adapters of paths that were read last: adapter.h. NULL at first. */
SessionGuest *session_adapters(Session *session);

/* The models that were found at paths last: model_list.h. NULL at first. */
SessionGuest *session_models(Session *session);

/* What is kept from step to step: statement_step.h. NULL at first, and again when the last lease ends. */
SessionGuest *session_steps(Session *session);

/* What first passes over expressions have found: expression/remember.h. NULL at first. */
SessionGuest *session_passes(Session *session);

/* What passes for quantiles have counted: tensor/quantile_kept.h. NULL at first. */
SessionGuest *session_quantiles(Session *session);

/* ---- Leases: see above ---- */

void session_lease(Session *session);
void session_end_lease(Session *session);
bool session_is_leased(const Session *session);

/* The number of the current period. A period ends with its last lease, so files that were examined
** in the current one need not be examined again. */
uint64_t session_period(const Session *session);

/* How many searches for similar names the messages of this statement may still make; the caller
** counts it down. A statement that continues after errors gets a few, and not one for each of
** thousands of files. NULL if there may be none, because nobody would see the result. */
uint32_t *session_searches(Session *session);

/* Records what `path` leads to, until the last lease ends. Returns false, with an error, if it led
** to another file before, or to another state of it: then the statement has to be run again. It is
** not an error if another statement has started since, which may need the current state. */
bool session_see(Session *session, const char *path, const FileIdentity *identity, Error *error);

/* The same for a path that stands for another one, `place`: the address of a hub, or a directory
** with an index. */
bool session_see_place(Session *session, const char *path, const char *place, Error *error);

/* Forgets what was recorded, after the statement itself has written files. */
void session_forget_seen(Session *session);

/* Whether a file changed so recently that another change might not affect its times. */
bool session_is_recent(const FileIdentity *identity);

/* ---- Bytes ---- */

OpenFiles *session_open_files(Session *session);

#endif
