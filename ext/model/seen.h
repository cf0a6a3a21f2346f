/*
** The states of files that a statement has seen, so that it does not see a second state of any of
** them: for each path the identity of the file it led to, and for each address and directory the
** path it stood for. Only 64-bit hashes are stored, in 16 bytes for each file, and only for the
** first SEEN_MAX files.
*/
#ifndef SAFETENSORS_MODEL_SEEN_H
#define SAFETENSORS_MODEL_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

enum { SEEN_MAX = 1 << 20 };

/* Starts as {0}. seen_clear() empties it and releases its memory. */
typedef struct Seen {
  struct SeenFile *slots;
  uint64_t capacity, count; /* capacity is a power of two, or 0 */
} Seen;

/* Records that `path` leads to this file in this state. Returns false if it led to another one
** before, which then stays recorded. If memory runs out, nothing is recorded. */
bool seen_note(Seen *seen, const char *path, const FileIdentity *identity);

/* Replaces what was recorded. */
void seen_replace(Seen *seen, const char *path, const FileIdentity *identity);

/* The same for a path that stands for another one: the address of a hub for a snapshot, a directory
** for its index. */
bool seen_note_place(Seen *seen, const char *path, const char *place);
void seen_replace_place(Seen *seen, const char *path, const char *place);

void seen_clear(Seen *seen);

#endif
