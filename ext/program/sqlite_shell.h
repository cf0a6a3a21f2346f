/*
** SQLite's own shell (its shell.c) as functions: the interactive program, and the steps of a script,
** whose output is handed to the caller instead of being printed. So a script says here what it says in
** the sqlite3 program, and its connection lives on after it has failed.
**
** In columns, names and values begin at the left, as in SQLite before 3.52.
**
** There is one shell per process. When memory runs out, it ends the program with a sentence.
*/
#ifndef SAFETENSORS_PROGRAM_SQLITE_SHELL_H
#define SAFETENSORS_PROGRAM_SQLITE_SHELL_H

#include <sqlite3.h>
#include <stdbool.h>

/* Runs the sqlite3 program, with the extension in every connection. Returns its exit status. */
extern int sqlite_shell_main(int count, char **words);

/* Opens the database, with the shell's functions and the extension. ~/.sqliterc is not read, and an
** interrupt from the keyboard ends the statement that runs. If the database cannot be opened, this ends
** the program with a sentence. `database` must live as long as the connection. */
extern sqlite3 *sqlite_shell_open(const char *database);

/* Runs statements, and sets *output to what was printed. Returns NULL, or a message if they failed.
** sqlite3_free() releases both texts. */
extern char *sqlite_shell_statements(const char *sql, char **output);

/* Runs one dot-command in the same way. What a command that fails has printed is its message. */
extern char *sqlite_shell_command(const char *line, char **output);

/* Prints rows in this mode of the shell from here on, with the names of the columns. */
extern void sqlite_shell_format(const char *mode);

/* Binds the parameters of a statement as the shell does, from temp.sqlite_parameters. */
extern void sqlite_shell_bind(sqlite3_stmt *statement);

/* Whether the keyboard has interrupted. */
extern bool sqlite_shell_interrupted(void);

extern void sqlite_shell_close(void);

#endif
