/*
** safetensors_verify(path [, published]): is this what was published? One row per claim about the digest of a file that
** is found near it, or that the hub publishes; check/claims.h lists where.
**
**     SELECT file, claim, status FROM safetensors_verify('model_directory') WHERE status <> 'ok';
**     SELECT file, status FROM safetensors_verify('model_directory', 'hf://ORG/NAME');
**
** `published` is the address of a repository of the hub, which is asked for the digests of its files. Of such a path itself, this
** machine's copies are looked at.
**
** `expected` is what the claim says, `actual` what the file has: it is computed only when a query asks for it
** or for `status`, for several files on as many threads as PRAGMA threads allows. `status` is 'ok', 'differs',
** 'missing' (there is no such file, or a pointer of git-lfs in its place), 'cannot check: REASON', or 'no claim' in the only row of a file about
** which nothing is claimed. All files of a directory have rows, whatever their format.
*/
#include <string.h>

#include "base/memory.h"
#include "check/claims.h"
#include "check/model_digest.h"
#include "sql/argument.h"
#include "sql/connection.h"
#include "sql/path_table.h"
#include "vtab/modules.h"

static const char verify_schema[] =
    "CREATE TABLE x(file TEXT, claim TEXT, algorithm TEXT, expected TEXT, actual TEXT, status "
    "TEXT, checkpoint HIDDEN, published HIDDEN, surplus_argument HIDDEN)";

enum VerifyColumn {
  VERIFY_COLUMN_FILE,
  VERIFY_COLUMN_CLAIM,
  VERIFY_COLUMN_ALGORITHM,
  VERIFY_COLUMN_EXPECTED,
  VERIFY_COLUMN_ACTUAL,
  VERIFY_COLUMN_STATUS,
  VERIFY_COLUMN_PATH,
  VERIFY_COLUMN_PUBLISHED,
  VERIFY_COLUMN_SURPLUS_ARGUMENT
};

/* A bit of idxNum, besides PATH_PLAN_PATH and PATH_PLAN_NAME. argv has the path, the address and the file. */
enum { VERIFY_PLAN_PUBLISHED = 8 };

/* How many files are read ahead of the row that is asked for, for each thread. */
enum { VERIFY_AHEAD = 4 };

typedef struct VerifyCursor {
  PathCursor path;
  sqlite3_value *published; /* a copy of the second argument, or NULL */
  RowIdentity rows;
  Claims claims;
  FileDigest *digests; /* one for each claim */
  uint64_t row;
  char *only; /* the file of a lookup, or NULL */
} VerifyCursor;

static int verify_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  bool unusable = false;
  info->estimatedCost = 1e6;
  info->estimatedRows = 100;
  int published = argument_find_eq(info, VERIFY_COLUMN_PUBLISHED, &unusable);
  if (published < 0 && unusable) return SQLITE_CONSTRAINT;
  if (argument_find_eq(info, VERIFY_COLUMN_SURPLUS_ARGUMENT, &unusable) >= 0 || unusable) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, ((PathTable *)base)->name,
               "expected one argument or two, found more");
    return result_vtab_error(base, &error);
  }
  int code = path_table_plan_paths(info, VERIFY_COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  if (published >= 0 && (info->idxNum & PATH_PLAN_PATH) != 0) {
    info->aConstraintUsage[published].argvIndex = next_argv++;
    info->aConstraintUsage[published].omit = 1;
    info->idxNum |= VERIFY_PLAN_PUBLISHED;
  }
  path_table_plan_name(info, VERIFY_COLUMN_FILE, next_argv);
  return SQLITE_OK;
}

static void verify_clear_rows(VerifyCursor *cursor) {
  for (uint64_t i = 0; cursor->digests != NULL && i < cursor->claims.count; i++)
    error_clear(&cursor->digests[i].error);
  memory_free(cursor->digests);
  memory_free(cursor->only);
  sqlite3_value_free(cursor->published);
  cursor->published = NULL;
  cursor->rows = (RowIdentity){0};
  claims_clear(&cursor->claims);
  cursor->digests = NULL;
  cursor->only = NULL;
  cursor->row = 0;
}

static void verify_clear(sqlite3_vtab_cursor *base) {
  verify_clear_rows((VerifyCursor *)base);
  path_cursor_clear(base);
}

static bool verify_open_digests(VerifyCursor *cursor, Error *error) {
  uint64_t count = cursor->claims.count;
  cursor->digests = memory_zeroed(count, sizeof *cursor->digests);
  if (cursor->digests == NULL) return error_memory(error);
  for (uint64_t i = 0; i < count; i++) {
    const Claim *claim = cursor->claims.order[i];
    FileDigest *digest = &cursor->digests[i];
    digest->path = claim->file;
    digest->part = claim->algorithm == CLAIM_GIT       ? FILE_DIGEST_GIT
                   : claim->algorithm == CLAIM_PAYLOAD ? FILE_DIGEST_PAYLOAD
                                                       : FILE_DIGEST_WHOLE;
  }
  return true;
}

static bool verify_wants(const VerifyCursor *cursor, uint64_t row) {
  return cursor->only == NULL || strcmp(cursor->only, cursor->claims.order[row]->file) == 0;
}

static int verify_go_to(VerifyCursor *cursor, uint64_t row) {
  while (row < cursor->claims.count && !verify_wants(cursor, row)) row++;
  cursor->row = row;
  return SQLITE_OK;
}

static bool verify_read_name(VerifyCursor *cursor, int plan, sqlite3_value **argv, Error *error) {
  if ((plan & PATH_PLAN_NAME) == 0) return true;
  sqlite3_value *wanted = argv[(plan & VERIFY_PLAN_PUBLISHED) != 0 ? 2 : 1];
  if (!path_table_can_look_up(wanted)) return true;
  const char *name = (const char *)sqlite3_value_text(wanted);
  if (name == NULL) return true;
  cursor->only = memory_copy_text(name, (uint64_t)sqlite3_value_bytes(wanted));
  return cursor->only != NULL || error_memory(error);
}

/* The address of what was published: *text is NULL if none was given. */
static bool verify_read_published(VerifyCursor *cursor, int plan, sqlite3_value **argv,
                                  const char **text, Error *error) {
  *text = NULL;
  if ((plan & VERIFY_PLAN_PUBLISHED) == 0 || sqlite3_value_type(argv[1]) == SQLITE_NULL)
    return true;
  const char *name = ((const PathTable *)cursor->path.base.pVtab)->name;
  cursor->published = sqlite3_value_dup(argv[1]);
  if (cursor->published == NULL) return error_memory(error);
  if (sqlite3_value_type(cursor->published) != SQLITE_TEXT)
    return error_raise(error, ERROR_ARGUMENT, name,
                       "expected the address of what was published as TEXT, found another value");
  *text = (const char *)sqlite3_value_text(cursor->published);
  if (*text == NULL) return error_memory(error);
  return strlen(*text) == (size_t)sqlite3_value_bytes(cursor->published) ||
         error_raise(error, ERROR_ARGUMENT, name, "expected an address without NUL characters");
}

static int verify_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  VerifyCursor *cursor = (VerifyCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  PathScan *scan = &cursor->path.scan;
  Error error = {0};
  verify_clear_rows(cursor);
  int code = path_scan_open(table, scan, plan, argv);
  if (code != SQLITE_OK || scan->checkpoint == NULL) return code;
  const Error *problem = checkpoint_problem(scan->checkpoint);
  const char *argument = (const char *)sqlite3_value_text(scan->argument), *published;
  bool unread = problem != NULL && (checkpoint_member_count(scan->checkpoint) == 0 ||
                                    error_is_of_system(problem->code));
  bool good = unread ? error_repeat(&error, problem)
                     : verify_read_published(cursor, plan, argv, &published, &error) &&
                           claims_find(&cursor->claims, table->session, scan->checkpoint,
                                       argument != NULL ? argument : "", published, &error) &&
                           verify_open_digests(cursor, &error) &&
                           verify_read_name(cursor, plan, argv, &error);
  return good ? verify_go_to(cursor, 0) : result_vtab_error(base->pVtab, &error);
}

static int verify_next(sqlite3_vtab_cursor *base) {
  VerifyCursor *cursor = (VerifyCursor *)base;
  return verify_go_to(cursor, cursor->row + 1);
}

static bool verify_at_end(const sqlite3_vtab_cursor *base) {
  const VerifyCursor *cursor = (const VerifyCursor *)base;
  return cursor->row >= cursor->claims.count;
}

static int verify_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  VerifyCursor *cursor = (VerifyCursor *)base;
  const PathTable *table = (const PathTable *)base->pVtab;
  sqlite3_value *values[2] = {cursor->path.scan.argument, cursor->published};
  const RowArguments arguments = {base->pVtab, table->session, table->name,
                                  cursor->published != NULL ? 2 : 1, values};
  return row_identity_rowid(&cursor->rows, &arguments, 0, cursor->claims.count, cursor->row, out);
}

/* ---- What is computed ---- */

static bool verify_is_checkable(const Claim *claim) {
  return claim->source != CLAIM_NONE && claim->problem == NULL && !claim->missing;
}

/* The legacy hash is that of a file that is not written. */
static bool verify_legacy(Session *session, FileDigest *digest, Error *error) {
  Member member;
  Checkpoint *checkpoint = checkpoint_open_path(session, digest->path, strlen(digest->path), error);
  bool good =
      checkpoint != NULL && checkpoint_open_member(checkpoint, 0, &member, error) &&
      model_digest_legacy(checkpoint, &member, session_cancel(session), digest->bytes, error);
  checkpoint_close(checkpoint);
  bool goes_on = good || !error_is_fatal(error->code);
  if (!good && goes_on) {
    digest->error = *error;
    *error = (Error){0};
  }
  digest->done = goes_on;
  return goes_on;
}

/* Computes the digest of a row, and those of some rows behind it that are wanted, too. */
static bool verify_compute(VerifyCursor *cursor, Error *error) {
  const PathTable *table = (const PathTable *)cursor->path.base.pVtab;
  FileDigest *first = &cursor->digests[cursor->row];
  if (first->done) return true;
  if (cursor->claims.order[cursor->row]->algorithm == CLAIM_LEGACY)
    return verify_legacy(table->session, first, error);
  TensorName about = {.subject = first->path};
  Host host = connection_begin_work(table->db, table->session, &about, 1, 0);
  uint64_t ahead = host.threads > 0 ? VERIFY_AHEAD * ((uint64_t)host.threads + 1) : 1;
  FileDigest *batch = memory_zeroed(ahead, sizeof *batch);
  uint64_t *rows = memory_zeroed(ahead, sizeof *rows), count = 0;
  bool good = (batch != NULL && rows != NULL) || error_memory(error);
  for (uint64_t i = cursor->row; good && i < cursor->claims.count && count < ahead; i++) {
    const Claim *claim = cursor->claims.order[i];
    bool plain = verify_is_checkable(claim) && claim->algorithm != CLAIM_LEGACY;
    bool known = false;
    for (uint64_t b = 0; b < count && !known; b++)
      known = batch[b].part == cursor->digests[i].part && strcmp(batch[b].path, claim->file) == 0;
    if (!plain || known || cursor->digests[i].done || !verify_wants(cursor, i)) continue;
    rows[count] = i;
    batch[count++] = cursor->digests[i];
  }
  good = good && file_digests_run(table->session, batch, count, &host, error);
  for (uint64_t b = 0; b < count; b++) cursor->digests[rows[b]] = batch[b];
  connection_end_work(&host);
  memory_free(batch);
  memory_free(rows);
  return good;
}

/* The digest of the current row, perhaps from another claim about the same file; NULL after an error. */
static const FileDigest *verify_digest(VerifyCursor *cursor, Error *error) {
  const char *file = cursor->claims.order[cursor->row]->file;
  bool legacy = cursor->claims.order[cursor->row]->algorithm == CLAIM_LEGACY;
  for (uint64_t i = cursor->row; !legacy && i-- > 0;) {
    const FileDigest *other = &cursor->digests[i];
    if (strcmp(other->path, file) != 0) break;
    if (other->done && other->part == cursor->digests[cursor->row].part &&
        cursor->claims.order[i]->algorithm != CLAIM_LEGACY)
      return other;
  }
  return verify_compute(cursor, error) ? &cursor->digests[cursor->row] : NULL;
}

/* Writes the digest as the claim does. */
static void verify_text(const Claim *claim, const FileDigest *digest, char *text) {
  digest_text(digest->bytes, digest_size(file_digest_kind(digest)), text);
  if (claim->algorithm == CLAIM_LEGACY) text[8] = '\0';
}

static void verify_result(VerifyCursor *cursor, sqlite3_context *context, bool status) {
  const Claim *claim = cursor->claims.order[cursor->row];
  char text[DIGEST_TEXT_SIZE];
  Error error = {0};
  const char *known = claim->missing ? "missing" : claim->source == CLAIM_NONE ? "no claim" : NULL;
  if (known != NULL || claim->problem != NULL) {
    char *why =
        status && known == NULL ? sqlite3_mprintf("cannot check: %s", claim->problem) : NULL;
    if (status && known != NULL) sqlite3_result_text(context, known, -1, SQLITE_STATIC);
    if (why != NULL) sqlite3_result_text(context, why, -1, sqlite3_free);
    return;
  }
  const FileDigest *digest = verify_digest(cursor, &error);
  if (digest == NULL) {
    result_error(context, &error);
  } else if (digest->error.code != ERROR_NONE) {
    char *why = sqlite3_mprintf("cannot check: %s", digest->error.message + digest->error.detail);
    if (status) sqlite3_result_text(context, why, -1, SQLITE_TRANSIENT);
    sqlite3_free(why);
  } else {
    verify_text(claim, digest, text);
    bool same = strcmp(text, claim->expected) == 0;
    sqlite3_result_text(context, !status ? text : same ? "ok" : "differs", -1, SQLITE_TRANSIENT);
  }
}

static void verify_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  VerifyCursor *cursor = (VerifyCursor *)base;
  const Claim *claim = cursor->claims.order[cursor->row];
  switch ((enum VerifyColumn)number) {
    case VERIFY_COLUMN_FILE: result_path(context, claim->file); break;
    case VERIFY_COLUMN_CLAIM:
      if (claim->source != CLAIM_NONE)
        sqlite3_result_text(context, claim_source_name(claim->source), -1, SQLITE_STATIC);
      break;
    case VERIFY_COLUMN_ALGORITHM:
      sqlite3_result_text(context, claim_algorithm_name(claim->algorithm), -1, SQLITE_STATIC);
      break;
    case VERIFY_COLUMN_EXPECTED:
      sqlite3_result_text(context, claim->expected, -1, SQLITE_TRANSIENT);
      break;
    case VERIFY_COLUMN_ACTUAL: verify_result(cursor, context, false); break;
    case VERIFY_COLUMN_STATUS: verify_result(cursor, context, true); break;
    case VERIFY_COLUMN_PATH:
      path_scan_result_path((const PathTable *)base->pVtab, &cursor->path.scan, context);
      break;
    case VERIFY_COLUMN_PUBLISHED:
      if (cursor->published != NULL) result_argument(context, cursor->published);
      break;
    case VERIFY_COLUMN_SURPLUS_ARGUMENT: break;
  }
}

/* ---- The table ---- */

static const TableRows verify_rows = {.cursor_size = sizeof(VerifyCursor),
                                      .filter = verify_filter,
                                      .next = verify_next,
                                      .at_end = verify_at_end,
                                      .rowid = verify_rowid,
                                      .column = verify_column,
                                      .clear = verify_clear};

static int verify_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_verify", verify_schema, &verify_rows, out,
                            message);
}

const sqlite3_module safetensors_verify_module = {
    .xConnect = verify_connect,
    .xBestIndex = verify_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
