/*
** The lease of a function on the files of its connection (session.h), which lasts until its
** statement halts. It is an auxiliary datum of the statement: one under a negative number belongs
** to the statement and not to an argument.
*/
#ifndef SAFETENSORS_SQL_LEASE_H
#define SAFETENSORS_SQL_LEASE_H

#include "base/sqlite.h"
#include "model/session.h"

/* Takes the lease, unless the statement has it. False if there is none, because memory ran out,
** or because there is no statement: a constant is computed while one is prepared. Then no
** pointer may be returned. Do not call this from xColumn, which has no statement but a cursor
** with a lease. */
bool lease_take(sqlite3_context *context, Session *session);

/* The Session of a function, with the lease if it can be taken. */
Session *lease_session(sqlite3_context *context);

#endif
