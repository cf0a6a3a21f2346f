/*
** What the tests of faults share: running a script, what it gave, and what it left behind.
*/
#ifndef SAFETENSORS_TESTS_FAULTS_OUTCOME_H
#define SAFETENSORS_TESTS_FAULTS_OUTCOME_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "faults_scripts.h"

/* Above 0 while no fault is of interest. Besides stages, that is while SQLite tries what it can do
** without, such as to copy an error's message to the connection: it reports no failure there. */
extern int sheltered;

void shelter(void);
void expose(void);

/* ---- Running a script ---- */

/* What a run gave: the rows of all statements as text, then the code and message of the end. */
typedef struct Outcome {
  char rows[16384];
  size_t length;
  int code;
  char message[1024];
} Outcome;

void note_end(Outcome *outcome, sqlite3 *db, int code);

void run_sql(Outcome *outcome, sqlite3 *db, const Script *script);

int load(sqlite3 *db);

/* A connection with the extension, opened without faults before a script that has its own. */
sqlite3 *open_loaded(void);

bool equal(const Outcome *left, const Outcome *right);

bool is_start(const Outcome *part, const Outcome *whole);

Outcome no_outcome(void);

/* ---- What a run left behind ---- */

/* Whether a file that was to be temporary is still there. */
bool has_temporary_file(void);

/* The bytes of :blob and :bad_blob, while scripts run. */
void take_blobs(void);
void free_blobs(void);

#endif
