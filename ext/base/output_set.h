/*
** Several outputs in one folder that become visible together: the parts, and the one file that
** names them.
**
** Parts that replace nothing are put in place first, then the file that names them: until then
** nothing names them, so a crash leaves the old set or the new one. Where a part takes the place of
** an old one there is no such order. Then the naming file is hidden first, and comes back last: a
** crash in between leaves no naming file, but never one that names a mixture of old and new.
*/
#ifndef SAFETENSORS_BASE_OUTPUT_SET_H
#define SAFETENSORS_BASE_OUTPUT_SET_H

#include "base/output.h"

/* Puts all of them in place and syncs, or leaves all as it was. They are sealed, and in the folder
** of `naming`. output_close() is the caller's, either way. */
bool output_set_commit(Output *parts, uint32_t count, Output *naming, Error *error);

#endif
