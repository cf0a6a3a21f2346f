#include "sql/lease.h"

/* All extensions share these numbers, so this one must be negative and used by nobody else. */
enum { LEASE_NUMBER = -0x5afe7e50 };

static void lease_end_lease(void *session) {
  session_end_lease(session);
}

bool lease_take(sqlite3_context *context, Session *session) {
  const void *known = sqlite3_get_auxdata(context, LEASE_NUMBER);
  if (known != NULL) return known == session;
  session_lease(session);
  sqlite3_set_auxdata(context, LEASE_NUMBER, session, lease_end_lease);
  /* If SQLite could not store it, it has ended the lease at once. */
  return sqlite3_get_auxdata(context, LEASE_NUMBER) == session;
}

Session *lease_session(sqlite3_context *context) {
  Session *session = sqlite3_user_data(context);
  lease_take(context, session);
  return session;
}
