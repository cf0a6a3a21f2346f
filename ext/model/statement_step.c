#include "model/statement_step.h"

#include "base/clock.h"
#include "base/memory.h"

enum {
  STATEMENT_STEP_LOOKED_AT =
      64, /* statements; if there are more, every question is a step of its own */
  STATEMENT_STEP_QUESTIONS = 16, /* between two looks at the clock */
  STATEMENT_STEP_PERIOD = 32     /* the bits of a number below that of the period */
};

static const int64_t statement_step_patience = 100000000; /* nanoseconds */

static void statement_steps_release(void *guest) {
  StatementSteps *steps = guest;
  session_release_guest(&steps->tensors);
  session_release_guest(&steps->small_reads);
  memory_free(steps);
}

StatementSteps *statement_steps(Session *session) {
  SessionGuest *guest = session_steps(session);
  if (!session_is_leased(session) || session_db(session) == NULL) return NULL;
  if (guest->guest != NULL) return guest->guest;
  StatementSteps *steps = memory_zeroed(1, sizeof *steps);
  if (steps == NULL) return NULL;
  steps->db = session_db(session);
  steps->number = session_period(session) << STATEMENT_STEP_PERIOD;
  *guest = (SessionGuest){steps, statement_steps_release};
  return steps;
}

/* SQLite adds to a statement's count of operations when a step ends. Returns false if there are too many
** statements. */
static bool statement_step_find_fingerprint(sqlite3 *db, uint64_t *fingerprint) {
  int count = 0;
  *fingerprint = 0;
  for (sqlite3_stmt *statement = NULL; (statement = sqlite3_next_stmt(db, statement)) != NULL;) {
    if (++count > STATEMENT_STEP_LOOKED_AT) return false;
    if (!sqlite3_stmt_busy(statement)) continue;
    uint64_t operations = (unsigned)sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    *fingerprint = (*fingerprint ^ (uintptr_t)statement ^ operations << 32) * 0x9e3779b97f4a7c15u;
  }
  return true;
}

uint64_t statement_step(StatementSteps *steps) {
  uint64_t fingerprint;
  bool known = statement_step_find_fingerprint(steps->db, &fingerprint);
  if (!known || fingerprint != steps->fingerprint) {
    steps->fingerprint = fingerprint;
    steps->asked = 0;
    return ++steps->number;
  }
  if (++steps->asked % STATEMENT_STEP_QUESTIONS != 0) return steps->number;
  int64_t now = clock_monotonic();
  if (steps->asked == STATEMENT_STEP_QUESTIONS) steps->began = now; /* or a little earlier */
  if (now - steps->began < statement_step_patience) return steps->number;
  steps->began = now;
  return ++steps->number;
}
