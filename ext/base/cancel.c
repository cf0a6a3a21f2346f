#include "base/cancel.h"

#include "base/clock.h"

static const int64_t cancel_ask_interval = 10000000,
                     cancel_step_interval = 50000000; /* nanoseconds */

/* A statement of more than CANCEL_HANDLER_STEPS steps, because a progress handler counts the
** steps of one run of one statement. It takes about 0.4 milliseconds. */
static const char cancel_many_steps[] =
    "WITH RECURSIVE step(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM step LIMIT 700) "
    "SELECT count(*) FROM step";

/* Preparing or stepping a statement reports that the connection was interrupted, and resets
** nothing. 3.39 has no function that does. "SELECT 1" takes about 2 microseconds. */
static bool cancel_is_interrupted(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return code == SQLITE_INTERRUPT;
}

bool cancel_go_on(Cancel *cancel, const char *subject, Error *error) {
  if (cancel == NULL || cancel->db == NULL) return true;
  int64_t now = clock_monotonic();
  if (now - cancel->asked < cancel_ask_interval) return true;
  bool many = now - cancel->stepped >= cancel_step_interval;
  if (many) cancel->stepped = now;
  cancel->asked = now;
  if (!cancel_is_interrupted(cancel->db, many ? cancel_many_steps : "SELECT 1")) return true;
  return error_raise(error, ERROR_INTERRUPT, subject, "interrupted");
}
