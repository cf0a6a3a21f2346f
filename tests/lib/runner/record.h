/*
** Part of runner.c: reads a statement or a query out of its lines, with every ${NAME} replaced.
*/
#ifndef TESTS_RUNNER_RECORD_H
#define TESTS_RUNNER_RECORD_H

#include "runner/script.h"

/* ---- Reading a record. On false the script has an error, which has been reported. ---- */

/* Takes the first word off the text; "" if there is none. */
char *take_word(char **rest);

bool expect_line_end(Script *script, const Record *record, char *rest);

bool read_statement_line(Script *script, Record *record, char *rest);

bool read_query_line(Script *script, Record *record, char *rest);

/* What follows the first line of a statement or query. */
bool read_body(Script *script, Record *record, const Line *line, const Line *end);

void record_clear(Record *record);

#endif
