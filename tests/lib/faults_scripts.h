/* What the tests of faults run. */
#ifndef FAULTS_SCRIPTS_H
#define FAULTS_SCRIPTS_H

/* Which part of a run the faults are for. */
typedef enum Stage {
  STAGE_STEPS,  /* the statements' steps; of preparing them, other scripts see enough */
  STAGE_SCRIPT, /* the SQL */
  STAGE_LOAD,   /* the extension's entry point, and the SQL */
  STAGE_AUTO,   /* opening, with the extension as an automatic one, and the SQL */
} Stage;

/* Every script can be run again on the same connection. :blob is the bytes of the fixture "tricky",
** :bad_blob of "bad_entry". */
typedef struct Script {
  const char *name;
  Stage stage;
  const char *sql;
} Script;

/* All scripts, and files that are no good or not plain, listed one by one. */
void run_all_scripts(void (*run)(const Script *script));

#endif
