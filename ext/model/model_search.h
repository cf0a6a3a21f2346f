/*
** Finds what models consist of: the directories below a path, and the safetensors files and indexes
** in them. Nothing but indexes of hub caches' refs is opened; model_list.h makes models of the files.
**
** A directory is searched to any depth, except for .git, .cache, blobs (whose files have other
** names, too) and the .locks and .no_exist of a hub's cache. Hidden files are left out. Links to
** directories are followed once, after all directories under their own names. Of a pattern, the
** directories that match are searched like that. Of a file that matches, the directory is listed,
** because the file may be a shard.
**
** A place of the network is found in one list of the hub or the store; https:// has no lists.
*/
#ifndef SAFETENSORS_MODEL_MODEL_SEARCH_H
#define SAFETENSORS_MODEL_MODEL_SEARCH_H

#include "base/file_system.h"
#include "model/hub_list.h"
#include "model/session.h"

#define MODEL_SEARCH_NONE UINT32_MAX

typedef struct FoundDirectory {
  char *path;      /* "" for the current one */
  char *address;   /* the same as an address of a hub; else NULL */
  char *problem;   /* why it cannot be listed; else NULL */
  uint32_t parent; /* or MODEL_SEARCH_NONE */
  uint32_t root;   /* the directory where the search for it began */
  PathLook look;   /* its state when it was listed */
  bool recent;     /* another change might not change its times */
  bool unlooked;   /* what is beside its file is not known: model_search_look_beside() */
  bool has_config, has_adapter_config,
      has_pipeline;                 /* config.json, adapter_config.json, model_index.json */
  bool has_usual_index;             /* model.safetensors.index.json */
  uint32_t file_count, index_count; /* as path_form.h counts them for a directory */
} FoundDirectory;

typedef struct FoundFile {
  char *path;
  uint32_t directory;
  bool is_index;
  bool is_wanted; /* it is below a searched directory, or matches the pattern */
} FoundFile;

/* Where to search. Starts as {0}; model_roots_clear() releases it. */
typedef struct ModelRoots {
  HubSnapshots directories; /* address is NULL outside of a hub's cache */
  PathList files;           /* a lone file or index, or what a pattern matches */
  bool is_pattern;
  bool is_address; /* it is one place of the network, one address, or one pattern of such */
} ModelRoots;

/* Starts as {0}; model_search_clear() releases it. */
typedef struct ModelSearch {
  FoundDirectory *directories;
  uint64_t directory_count, directory_capacity;
  FoundFile *files;
  uint64_t file_count, file_capacity;
  bool unsettled; /* something may appear without a change of these directories */
} ModelSearch;

/* Finds out where to search. It is an error if `path` names nothing. */
bool model_roots_find(Session *session, const char *path, ModelRoots *roots, Error *error);
bool model_roots_equal(const ModelRoots *a, const ModelRoots *b);
void model_roots_clear(ModelRoots *roots);

/* Searches there. A directory that cannot be listed is no error. */
bool model_search_run(ModelSearch *search, Session *session, const ModelRoots *roots, Error *error);

/* Whether all directories are in the states in which they were listed. */
bool model_search_is_current(const ModelSearch *search);

/* The same file as an address, if the directory has one; else a copy of its path, as it is reported
** (path_text.h). `path` is NULL for the directory itself. memory_free() releases it. NULL if memory
** runs out. */
char *model_search_text(const FoundDirectory *directory, const char *path);

/* Of a file of the web that was named by itself nobody has asked for the configurations beside it: this does, once. */
bool model_search_look_beside(FoundDirectory *directory, Session *session, Error *error);

/* Releases the files, which are needed only once. */
void model_search_forget_files(ModelSearch *search);
void model_search_clear(ModelSearch *search);

/* ---- For model_search.c and model_search_network.c ---- */

/* Adds a directory. Takes over both texts, of which `path` is NULL when memory ran out. */
bool model_search_add_directory(ModelSearch *search, char *path, char *address, uint32_t parent,
                                const PathLook *look, Error *error);

/* Adds a file. Takes over `path`, which is NULL when memory ran out. */
bool model_search_add_file(ModelSearch *search, char *path, uint32_t directory, bool is_wanted,
                           Error *error);

/* Whether directories of this name are not searched. */
bool model_search_is_left_out(const char *name);

/* Whether the name is that of a file that can belong to a model. Counts it in the directory. */
bool model_search_takes(FoundDirectory *directory, const char *name);

/* Whether it is that of a file that says something about those beside it. Notes it in the directory. */
bool model_search_is_config(FoundDirectory *directory, const char *name);

/* The names of those files; NULL behind the last one. */
const char *model_search_config(int number);

/* Searches at an address of the network. */
bool model_search_addresses(ModelSearch *search, Session *session, const ModelRoots *roots,
                            Error *error);

#endif
