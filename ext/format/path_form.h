/* The forms that the path of a checkpoint may have, made into the paths of its files. */
#ifndef SAFETENSORS_FORMAT_PATH_FORM_H
#define SAFETENSORS_FORMAT_PATH_FORM_H

#include "base/error.h"
#include "base/path_list.h"

typedef enum PathForm {
  PATH_FORM_FILE,
  PATH_FORM_INDEX, /* members stays empty: the index has to be read */
  PATH_FORM_FOLDER,
  PATH_FORM_GLOB
} PathForm;

typedef struct ResolvedPath {
  PathForm form;
  char *path;       /* of the file, index, folder or glob, in the file system's terms */
  PathList members; /* in natural order */
} ResolvedPath;

/* Finds out which form `path` has and which files it names; looks at the file system, but into no
** file. resolved_path_clear() releases the result, on error too. */
bool path_form_resolve(const char *path, ResolvedPath *resolved, Error *error);

void resolved_path_clear(ResolvedPath *resolved);

/* Whether a shard, all links followed, lies within the index's folder ("" for the process's); or,
** for a model in the Hugging Face cache, which is made of links that leave their folder, in that. A
** file that does not exist lies nowhere. */
bool path_form_is_shard_place(const char *path, const char *folder, bool in_hub);

#endif
