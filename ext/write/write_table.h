/* The modules of the tables that write. Their client data is the Session. */
#ifndef SAFETENSORS_WRITE_WRITE_TABLE_H
#define SAFETENSORS_WRITE_WRITE_TABLE_H

#include "base/sqlite.h"

extern const sqlite3_module safetensors_write_module;

#endif
