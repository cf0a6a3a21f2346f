/*
** Which chains of calls a program has been through, so that a test can tell what is reached in a new way from what is
** repeated.
*/
#ifndef CALL_CHAINS_H
#define CALL_CHAINS_H

#include <stdbool.h>

/* Whether the innermost calls that lead here have not led here before with the same `kind`. Where the C library cannot
** list them, it is true once for each kind. */
bool call_chain_is_new(unsigned kind);

#endif
