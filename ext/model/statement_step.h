/*
** The steps of statements: sqlite3_step() runs from one row to the next, and until it ends the host has no say. So
** what was found out about a file in a step need not be found out again in the same one.
**
** What is kept from step to step in a lease is here, too: the tensors that were opened last (open_tensor.h), and the
** parts of files that were read last (small_reads.h).
*/
#ifndef SAFETENSORS_MODEL_STATEMENT_STEP_H
#define SAFETENSORS_MODEL_STATEMENT_STEP_H

#include "model/session.h"

typedef struct StatementSteps {
  SessionGuest tensors, small_reads; /* of those units; empty at first */
  /* private */
  sqlite3 *db;
  uint64_t number, fingerprint;
  int64_t began;
  uint32_t asked;
} StatementSteps;

/* NULL without a lease, and if memory runs out. */
StatementSteps *statement_steps(Session *session);

/* The number of the current step, which no other step of a statement of the connection has. A step that lasts counts
** as several, one for each tenth of a second or so. */
uint64_t statement_step(StatementSteps *steps);

#endif
