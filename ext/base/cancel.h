/*
** Cancellation: long work asks its connection whether to go on. That covers both ways in which a
** host stops a statement: sqlite3_interrupt(), and a progress handler (sqlite3_progress_handler(),
** with which Datasette, APSW and Python limit the time of a query) of any period up to
** CANCEL_HANDLER_STEPS virtual machine steps.
**
** All work whose length depends on a file, a directory or an argument asks at least every few
** milliseconds. Asking is cheap, as it reads a clock, so a loop may ask for every row. A loop whose
** rows take nanoseconds asks every CANCEL_EVERY rows.
*/
#ifndef SAFETENSORS_BASE_CANCEL_H
#define SAFETENSORS_BASE_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

enum {
  CANCEL_HANDLER_STEPS = 10000,
  CANCEL_EVERY = 4096 /* rows between two questions, if a row takes less than a microsecond */
};

/* The cancellation of one connection. {0} is never cancelled. */
typedef struct Cancel {
  sqlite3 *db;
  int64_t asked;   /* when the connection was asked last, by clock_monotonic() */
  int64_t stepped; /* when its progress handler last had CANCEL_HANDLER_STEPS steps */
} Cancel;

/* Whether the work is to go on. Once the connection was interrupted, it returns false with
** ERROR_INTERRUPT about `subject`. To be called on the connection's thread. With `cancel` NULL
** it is always true. */
bool cancel_go_on(Cancel *cancel, const char *subject, Error *error);

/* The same for row `row` of a loop; only every CANCEL_EVERY-th row asks. */
static inline bool cancel_go_on_row(Cancel *cancel, uint64_t row, const char *subject,
                                    Error *error) {
  return row % CANCEL_EVERY != 0 || cancel_go_on(cancel, subject, error);
}

#endif
