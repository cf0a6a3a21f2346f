/* Virtual table modules whose methods compute in the default floating-point environment,
** whatever the host's environment is. The host gets its own back after each call. */
#ifndef SAFETENSORS_SQL_EXACT_MODULE_H
#define SAFETENSORS_SQL_EXACT_MODULE_H

#include <stdbool.h>

#include "base/sqlite.h"

enum { EXACT_MODULE_MAX = 32 }; /* more than there are modules */

/* Wraps a module. The same module gives the same wrapper, as long as the process runs. There can be
** at most EXACT_MODULE_MAX different ones. For any thread.
**
** With `plain_columns`, xColumn is not wrapped: it is called most often, and saving the
** environment takes as long as a column that computes nothing. No xNext and no xRowid computes
** anything. */
const sqlite3_module *exact_module(const sqlite3_module *module, bool plain_columns);

#endif
