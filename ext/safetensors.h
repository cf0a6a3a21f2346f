/*
** sqlite-safetensors: safetensors checkpoints as SQL tables, in place.
**
** The one public header. Load the library into a connection:
**
**     .load ./safetensors                            in the sqlite3 shell
**     sqlite3_load_extension(db, "safetensors", NULL, &message)
**
** or link it into a program (libsafetensors.a, or safetensors.c of `make amalgamation` compiled
** with -DSQLITE_CORE; then SQLite, jansson, libm and libpthread) and either call
**
**     sqlite3_safetensors_init(db, &message, NULL)   for one connection
**     sqlite3_auto_extension((void (*)(void))sqlite3_safetensors_init)   for every one to come
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
** Registers all tables and functions on `db`. Doing so again, also while a statement runs, changes
** nothing and is no error.
**
** Needs SQLite 3.39.0 or newer at run time. On an error, which is returned as an SQLite code,
** *message (unless `message` is NULL) is a sentence from sqlite3_mprintf() that the caller releases
** with sqlite3_free(), or NULL when memory ran out.
**
** What the connection opens (parsed headers, mapped files) lives until sqlite3_close().
** Connections share nothing that is written to, so each may be used by a thread of its own; one
** connection may be used by several as far as SQLite's threading mode allows it. `api` is what
** SQLite passes to a loadable extension; with SQLITE_CORE it is not looked at.
*/
SAFETENSORS_EXPORT int sqlite3_safetensors_init(sqlite3 *db, char **message,
                                                const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif

#endif
