/*
** Reads a small JSON file that describes the files beside it, such as config.json. A stranger may
** have written it, so it is opened as shards are (Settings.links), and has limits.
*/
#ifndef SAFETENSORS_MODEL_CONFIG_FILE_H
#define SAFETENSORS_MODEL_CONFIG_FILE_H

#include <jansson.h>

#include "model/session.h"

enum { CONFIG_FILE_MAX_LENGTH = 16 << 20, CONFIG_FILE_MAX_DEPTH = 64 };

/* Reads the file, which must consist of one object. *identity is all zero if it cannot be opened.
** Unless `text` is NULL, *text is its text, NUL-terminated and to be released with memory_free().
** *root is to be released with json_decref(). Returns false with an error. */
bool config_file_read(Session *session, const char *path, FileIdentity *identity, char **text,
                      json_t **root, Error *error);

#endif
