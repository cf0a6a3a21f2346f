/*
** Writing a file so that nothing is lost on the way: what is written goes into a temporary file in
** the target's folder, is made durable, and takes the target's place in one step (rename). Until
** then the target is as it was.
**
**   output_open()      a temporary file; write to `descriptor`
**   output_seal()      on the disk, closed, and with a name
**   output_replace()   in the target's place; output_undo() takes that back
**   output_sync()      and this on the disk too
**   output_close()     what is not in the target's place is gone
**
** Where the system can (Linux: O_TMPFILE), the temporary file has no name before it is sealed, so
** that even a killed process leaves nothing behind. Its name starts with OUTPUT_TEMPORARY.
*/
#ifndef SAFETENSORS_BASE_OUTPUT_H
#define SAFETENSORS_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define OUTPUT_TEMPORARY ".safetensors-"

/* Starts as {.descriptor = -1}. */
typedef struct Output {
  char *path;      /* the target */
  char *folder;    /* that it is in; "" for the current one */
  char *temporary; /* the temporary file, once it has a name */
  char *aside;     /* of a target that was replaced or hidden: another name of it */
  int descriptor;  /* of the temporary file, for writing and reading; -1 when closed */
  bool exists;     /* the target, when it was opened */
  bool has_mode;   /* and it is a file, not a link */
  bool replaced, hidden;
  mode_t mode; /* of the target, and its owner: the new file gets them too, the owner only where */
  uid_t owner; /* that is allowed */
  gid_t group;
} Output;

/* What to do with a target that is a symbolic link: write the file that it leads to, which may not
** be there yet, or put the new file in the link's place. */
typedef enum OutputLink { OUTPUT_FOLLOW_LINK, OUTPUT_REPLACE_LINK } OutputLink;

/* Opens a temporary file beside `path`. Anything there that is not a regular file is an error. */
bool output_open(Output *output, const char *path, OutputLink link, Error *error);

/* A file without a name, in the target's folder: a descriptor for writing and reading, or -1. */
int output_scratch(const Output *output, Error *error);

bool output_seal(Output *output, Error *error);

/* Keeps the target that is there by a second name, so that its replacement can be undone, which is
** what output_replace() begins with. False, without an error, where files can have but one name:
** there the target is replaced for good. */
bool output_keep(Output *output, Error *error);

/* The other way to keep it: it is taken out of its place, which is then empty. */
bool output_hide(Output *output, Error *error);

bool output_replace(Output *output, Error *error);

/* Puts what was replaced, or hidden, back. Cannot fail for want of space; whatever it meets, it goes on. */
void output_undo(Output *output);

/* Writes the folder's entries to the disk. */
bool output_sync(const Output *output, Error *error);

/* Undoes what was not replaced, and keeps what was. */
void output_close(Output *output);

/* Seals, replaces and syncs: all of it, or the target is as it was. */
bool output_commit(Output *output, Error *error);

#endif
