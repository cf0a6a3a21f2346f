/*
** SQLite's interface for every file of the extension: through the routine table that the host
** passes when it loads the extension, or by direct linking if it is built with -DSQLITE_CORE.
*/
#ifndef SAFETENSORS_BASE_SQLITE_H
#define SAFETENSORS_BASE_SQLITE_H

#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#endif
