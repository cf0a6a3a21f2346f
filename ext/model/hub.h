/*
** hf://[models/|datasets/|spaces/]NAME[@REVISION][/FILE], or the web address of a hub: a repository
** in the Hugging Face cache on this machine (network.h has the hub itself). NAME may or may not have an
** organisation: the first two components are the repository if the cache contains it, and otherwise
** only the first component is.
**
** The cache is HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else
** XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. A leading '~' and $VARIABLES are
** expanded, and empty variables count as unset. The directory models--ORG--NAME in it contains
** refs/REVISION, a file with the hash of a commit, and snapshots/HASH/, whose files are symbolic
** links into blobs/. The default revision is main. %XX in a revision is decoded, and '/' is written
** as %2F, except in the Hub's own refs/pr/NUMBER and refs/convert/NAME. Source: huggingface_hub
** 2.4, constants.py, file_download.py and utils/_hf_uris.py.
*/
#ifndef SAFETENSORS_MODEL_HUB_H
#define SAFETENSORS_MODEL_HUB_H

#include "base/cancel.h"
#include "base/error.h"
#include "model/hub_address.h"

/* Whether this is an hf:// address, or the web address of a hub: huggingface.co, hf.co or
** $HF_ENDPOINT. */
bool hub_is_address(const char *path);

/* Returns the path in the cache, to be released with memory_free(), or NULL on an error. Messages
** search for similar names as long as `searches` allows it: see session_searches(). */
char *hub_resolve(const char *path, uint32_t *searches, Cancel *cancel, Error *error);

/* Whether the cache contains the model ORG/NAME, or NAME. Also false on an error. */
bool hub_has_model(const char *name, Error *error);

/* Whether `path` lies in the directory of the cache, where files may be links that leave their
** directory. */
bool hub_holds(const char *path);

/* Whether this real path is a file in the `blobs` of a repository in any cache. Such a file is
** named by its digest, and other paths lead to it. */
bool hub_is_blob(const char *real_path);

/* Does what os.path.expandvars(os.path.expanduser(path)) does, and appends `below`. memory_free() releases it. NULL if memory
** runs out. */
char *hub_expand(const char *path, const char *below);

/* Returns HF_HOME, else XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface, to be released with memory_free(). NULL if
** memory runs out, or if nothing says where it is. */
char *hub_home(void);

/* Returns the directory of the cache, to be released with memory_free(). NULL if memory runs out,
** or if nothing says where it is; then *unset is set. */
char *hub_directory(bool *unset);

/* The same, except that it is an error if nothing says where it is. `path` is for the message. */
char *hub_require_directory(const char *path, Error *error);

enum { HUB_MAX_HASH_LENGTH = 200 };

/* Reads the hash in the file of a ref, without the line ending, into HUB_MAX_HASH_LENGTH + 1 bytes.
** Returns false if there is no such file, or with an error. */
bool hub_read_ref(const char *path, char *hash, Error *error);

#endif
