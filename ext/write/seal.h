/*
** Writes what is pending to files. Each target's new file is written beside the old one. When all
** new files are complete and synced, they replace the old ones together.
*/
#ifndef SAFETENSORS_WRITE_SEAL_H
#define SAFETENSORS_WRITE_SEAL_H

#include "write/target.h"

/* Seals all targets that are in use, and then puts them in their places: either all or none.
** Targets that are sealed already are not sealed again. Checks for cancellation until the first
** file is put. On error returns false, and the caller must call seal_discard() for each target. */
bool seal_all(Target *targets, Places *places, Session *session, Error *error);

/* Takes back what was put, and discards what was sealed. */
void seal_discard(Target *target);

/* Makes the new files final. */
void seal_finish(Target *target);

#endif
