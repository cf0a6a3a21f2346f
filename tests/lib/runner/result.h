/*
** Part of runner.c: runs a record's SQL and compares what comes out with what the record expects.
*/
#ifndef TESTS_RUNNER_RESULT_H
#define TESTS_RUNNER_RESULT_H

#include "runner/script.h"

/* The hash of a result that was not computed: the script has either its values or their hash. */
char *hash_expected(const Script *script, const List *expected);

/* Takes ownership of the hash. The first result under a label is the one that counts. */
bool check_label(Script *script, const Record *record, char *hash);

bool run_record(Script *script, const Record *record);

#endif
