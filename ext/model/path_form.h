/* Resolves the forms that the path of a checkpoint can have to the paths of its files. */
#ifndef SAFETENSORS_MODEL_PATH_FORM_H
#define SAFETENSORS_MODEL_PATH_FORM_H

#include "base/error.h"
#include "base/path_list.h"
#include "model/network.h"

#define PATH_FORM_FILE_SUFFIX ".safetensors"

typedef enum PathForm {
  PATH_FORM_FILE,
  PATH_FORM_INDEX, /* `members` stays empty, because the index has to be read first */
  PATH_FORM_DIRECTORY,
  PATH_FORM_GLOB
} PathForm;

typedef struct ResolvedPath {
  PathForm form;
  char *path;       /* of the file, index, directory or glob, as the file system knows it */
  PathList members; /* in natural order */
  char *
      snapshot; /* for a repository of the hub: where this machine's cache has copies of its files, or NULL */
} ResolvedPath;

/* Finds out which form `path` has and which files it names. Looks at the file system, but opens no
** file. An address of the network is one of `network`, if that is on. Messages search for similar names as long as `searches` allows it: see session_searches().
** resolved_path_clear() releases the result, also after an error. */
bool path_form_resolve(const char *path, ResolvedPath *resolved, Network *network,
                       uint32_t *searches, Cancel *cancel, Error *error);

/* Appends the member `name` of a directory or index; of a repository, this machine's copy of it, if there is one. False if
** memory runs out. */
bool path_form_add_member(ResolvedPath *resolved, const char *directory, const char *name);

/* The path that `text` names: see base/path_text.h. memory_free() releases it. NULL if memory runs
** out. */
char *path_form_path_of(const char *text);

/* Whether a path is that of an index by its name. The index of a variant may have the name of the
** variant before ".json": *.safetensors.index.fp16.json. */
bool path_form_is_index(const char *path);

/* Whether a path is by its name that of an index or of a checkpoint. */
bool path_form_is_file_name(const char *path);

void resolved_path_clear(ResolvedPath *resolved);

/* Appends the directories in which the files of the model with this index must lie if links must
** not leave it (see Settings.links): its own directory and, for a model in the Hugging Face cache,
** which consists of links that leave their directory, that of the cache. See
** file_record_check_within(). Returns false if memory runs out. */
bool path_form_confine(const char *index_path, PathList *directories, Error *error);

/* How an address matches a pattern: itself, or by a directory that it is in. */
typedef enum PathMatch { PATH_MATCH_NONE, PATH_MATCH_ITSELF, PATH_MATCH_ABOVE } PathMatch;

/* Finds out how an address matches a pattern, component by component; "**" is any number of them. False if memory runs out. */
bool path_form_match(const char *pattern, const char *address, PathMatch *match);

/* The path that a file is read at: of an address of the hub, of which this machine has a copy, that copy; else the path itself.
** memory_free() releases it. NULL with an error. */
char *path_form_here(const char *path, const Network *network, Cancel *cancel, Error *error);

/* ---- For path_form.c and path_form_network.c ---- */

/* The same for an address of the network, which is on. */
bool path_form_resolve_address(const char *path, ResolvedPath *resolved, Network *network,
                               Cancel *cancel, Error *error);

/* Of the names in a directory, finds the index that the model has (*index points into `names`, or is NULL) or, without one,
** adds the files to the members. */
bool path_form_choose(ResolvedPath *resolved, const PathList *names, const char **index,
                      Cancel *cancel, Error *error);

#endif
