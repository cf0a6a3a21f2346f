/*
** SQLite's shell.c is a part of this file, because what a script needs of it has internal linkage. The
** shell's directory is among those of the system (-isystem), so that the compiler's warnings are about
** the lines here.
*/
#include "program/sqlite_shell.h"

#include <stdio.h>
#include <stdlib.h>

#include "program/exit_status.h"
#include "safetensors.h"

static void sqlite_shell_initialize(void);
static void sqlite_shell_exit(int status);

#define main                   sqlite_shell_main
#define exit                   sqlite_shell_exit
#define SQLITE_SHELL_INIT_PROC sqlite_shell_initialize
#include <shell.c>
#undef exit
#undef main

static ShellState sqlite_shell;
static bool sqlite_shell_runs_script;

/* The shell calls it before it opens the first connection. */
static void sqlite_shell_initialize(void) {
  sqlite3_initialize();
  sqlite3_auto_extension((void (*)(void))sqlite3_safetensors_init);
}

/* The shell calls it in the place of exit(): when memory runs out, when the database cannot be opened,
** and at the second interrupt. */
static void sqlite_shell_exit(int status) {
  if (sqlite_shell_runs_script) {
    status = seenInterrupt ? EXIT_STATUS_INTERRUPTED : EXIT_STATUS_FAILED;
  }
  exit(status);
}

static void sqlite_shell_catch_interrupts(void) {
#ifdef _WIN32
  SetConsoleCtrlHandler(ConsoleCtrlHandler, TRUE);
#else
  signal(SIGINT, interrupt_handler);
#endif
}

static void sqlite_shell_align(unsigned char alignment) {
  sqlite_shell.mode.spec.eTitleAlign = alignment;
  sqlite_shell.mode.spec.eDfltAlign = alignment;
}

sqlite3 *sqlite_shell_open(const char *database) {
  sqlite_shell_runs_script = true;
  stdin_is_interactive = 0;
  stdout_is_console = 0;
  main_init(&sqlite_shell);
  sqlite_shell_initialize();
  sqlite_shell.pAuxDb->zDbFilename = database;
  sqlite_shell.out = stdout;
  modeDefault(&sqlite_shell);
  sqlite_shell_align(QRF_ALIGN_Left);
  sqlite_shell_catch_interrupts();
  open_db(&sqlite_shell, 0);
  return sqlite_shell.db;
}

/* What is printed goes from here on into memory. */
static void sqlite_shell_begin(void) {
  cli_output_capture = sqlite3_str_new(NULL);
}

/* NULL if nothing was printed. A command that redirects the output ends the capture itself. If the text
** did not fit into memory, or into what SQLite allows, there is a message, too. */
static char *sqlite_shell_end(char **message) {
  if (cli_output_capture == NULL) return NULL;
  int code = sqlite3_str_errcode(cli_output_capture);
  char *text = sqlite3_str_finish(cli_output_capture);
  cli_output_capture = NULL;
  if (code != SQLITE_OK && *message == NULL) {
    *message = sqlite3_mprintf("what one statement prints: %s", sqlite3_errstr(code));
    shell_check_oom(*message);
  }
  return text;
}

char *sqlite_shell_statements(const char *sql, char **output) {
  char *message = NULL;
  sqlite_shell_begin();
  if (shell_exec(&sqlite_shell, sql, &message) != SQLITE_OK) {
    sqlite3_free(message); /* which says where in the statement, too */
    message = sqlite3_mprintf("%s", sqlite3_errmsg(sqlite_shell.db));
    shell_check_oom(message);
  }
  if (sqlite_shell.nPopOutput) {
    output_reset(&sqlite_shell);
    sqlite_shell.nPopOutput = 0;
  }
  if (sqlite_shell.nPopMode) {
    modePop(&sqlite_shell);
    sqlite_shell.nPopMode = 0;
  }
  *output = sqlite_shell_end(&message);
  return message;
}

char *sqlite_shell_command(const char *line, char **output) {
  enum { SQLITE_SHELL_FAILS = 1 };
  sqlite_shell_begin();
  char *message = NULL;
  bool failed = do_meta_command(line, &sqlite_shell) == SQLITE_SHELL_FAILS;
  *output = sqlite_shell_end(&message);
  if (!failed || message != NULL) return message;
  message = *output;
  *output = NULL;
  if (message == NULL) message = sqlite3_mprintf("%s: it failed", line);
  shell_check_oom(message);
  return message;
}

void sqlite_shell_format(const char *mode) {
  modeChange(&sqlite_shell, (unsigned char)modeFind(&sqlite_shell, mode));
  sqlite_shell.mode.spec.bTitles = QRF_Yes;
  sqlite_shell_align(QRF_Auto);
}

void sqlite_shell_bind(sqlite3_stmt *statement) {
  bind_prepared_stmt(&sqlite_shell, statement);
}

bool sqlite_shell_interrupted(void) {
  return seenInterrupt != 0;
}

void sqlite_shell_close(void) {
  close_db(sqlite_shell.db);
  output_reset(&sqlite_shell);
  modeFree(&sqlite_shell.mode);
  free(sqlite_shell.dot.zCopy);
  free(sqlite_shell.dot.azArg);
  free(sqlite_shell.dot.aiOfst);
  free(sqlite_shell.dot.abQuot);
}
