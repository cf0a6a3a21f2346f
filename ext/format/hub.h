/*
** hf://ORG/NAME[@REVISION][/FILE]: a model as the Hugging Face cache on this machine holds it.
** Never the network.
**
** The cache is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. In it, the folder
** models--ORG--NAME has refs/REVISION, a file with a commit's hash, and snapshots/HASH/, whose
** files are symbolic links into blobs/. Without a revision it is main; '/' in one is written %2F,
** but for the Hub's own refs/pr/NUMBER and refs/convert/NAME.
** Source: huggingface.co/docs/huggingface_hub/guides/manage-cache.
*/
#ifndef SAFETENSORS_FORMAT_HUB_H
#define SAFETENSORS_FORMAT_HUB_H

#include "base/error.h"

#define HUB_PREFIX "hf://"

/* The path in the cache, which memory_free() releases; NULL on error. */
char *hub_resolve(const char *path, Error *error);

/* Whether `path` lies in the cache's folder: there, files may be links that leave theirs. */
bool hub_holds(const char *path);

#endif
