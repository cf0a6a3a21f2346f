/*
** Directories that are made for files to come. Those into which nothing was put go again, and so a write
** that fails leaves nothing behind.
*/
#ifndef SAFETENSORS_BASE_MADE_DIRECTORY_H
#define SAFETENSORS_BASE_MADE_DIRECTORY_H

#include <stdbool.h>

#include "base/error.h"

typedef struct MadeDirectory MadeDirectory;

/* Makes the directory at `path` and those above it, as far as they are not there, and adds those that it
** has made to the list, which begins as NULL. Returns false on error; what was made before it stays in the
** list. Messages name `about`. */
bool made_directory_make(MadeDirectory **made, const char *path, const char *about, Error *error);

/* Has the disk write the names of the directories. Returns false on error. */
bool made_directory_sync_all(const MadeDirectory *made, Error *error);

/* Removes those that are empty, and ends the list. */
void made_directory_close_all(MadeDirectory **made);

#endif
