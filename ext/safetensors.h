/*
** sqlite-safetensors lets you query safetensors checkpoints as SQL tables, in place. This is its only
** public header. Load the library into a connection:
**
**     .load ./safetensors                            in the sqlite3 shell
**     sqlite3_load_extension(db, "safetensors", NULL, &message)
**
** or link it into a program: safetensors.c of `make amalgamation`, which is compiled with -DSQLITE_CORE, or
** libsafetensors.a. Both need SQLite, libm and libpthread, the archive also jansson. Then call one of
**
**     sqlite3_safetensors_init(db, &message, NULL)   for one connection
**     sqlite3_auto_extension((void (*)(void))sqlite3_safetensors_init)   for all future ones
*/
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAFETENSORS_VERSION "0.1.0"

struct sqlite3_api_routines;

#if defined(_WIN32)
#define SAFETENSORS_EXPORT __declspec(dllexport)
#else
#define SAFETENSORS_EXPORT __attribute__((visibility("default")))
#endif

/*
** Registers all tables and functions on `db`. A second call changes nothing and is not an error, even
** while a statement runs.
**
** Needs SQLite 3.39.0 or newer at run time. On an error it returns an SQLite code, and sets *message
** (unless `message` is NULL) to a text from sqlite3_mprintf(), which the caller releases with
** sqlite3_free(), or to NULL if memory ran out.
**
** A loadable library serves one SQLite library per process and refuses any other. A copy of the file
** under another name can serve that one.
**
** What the connection opens (parsed headers, mapped files) lives at most until sqlite3_close().
** Connections share no mutable state, so each can be used by a thread of its own; several threads can
** use one connection as far as SQLite's threading mode allows it. `api` is what SQLite passes to a
** loadable extension; with SQLITE_CORE it is ignored.
*/
SAFETENSORS_EXPORT int sqlite3_safetensors_init(sqlite3 *db, char **message,
                                                const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif

#endif
