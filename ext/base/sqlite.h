/*
** SQLite's interface, the same way for every file of the extension: through the routine table that
** the host passes at load, or, built with -DSQLITE_CORE, by direct linking.
*/
#ifndef SAFETENSORS_BASE_SQLITE_H
#define SAFETENSORS_BASE_SQLITE_H

#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#endif
