/*
** Makes models of the files that a search has found: what a person would call one model or adapter.
** The shards of an index are one model, and so are those of a set without an index; any other file
** is a model by itself. A directory that cannot be listed has a row, too.
**
** This reads indexes, but no headers.
*/
#ifndef SAFETENSORS_MODEL_MODEL_GROUP_H
#define SAFETENSORS_MODEL_MODEL_GROUP_H

#include "model/model_search.h"

typedef enum ListedForm {
  LISTED_FILE,
  LISTED_SET,      /* shards without an index */
  LISTED_INDEX,    /* shards with an index */
  LISTED_DIRECTORY /* that cannot be listed */
} ListedForm;

typedef struct ListedModel {
  char *name; /* what to hand to others: a path as it is reported (path_text.h), or an address. Of a
                 set it is the directory if that means this set, else the index, or a pattern */
  char *path; /* of the file, index or directory; of a set without index the first file */
  char *index;   /* the index as it is reported; else NULL */
  char *problem; /* what is known to be wrong already; else NULL */
  ListedForm form;
  uint32_t directory;
  uint32_t file_count; /* files that are there */
  bool is_missing;     /* `problem` is that shards are missing */
} ListedModel;

/* The state of an index when it was read. */
typedef struct ListedIndex {
  char *path;
  FileIdentity identity;
  bool recent; /* another write might not change its times */
} ListedIndex;

/* Starts as {0}; listed_models_clear() releases it. */
typedef struct ListedModels {
  ListedModel *rows; /* in natural order of their names */
  uint64_t count, capacity;
  ListedIndex *indexes;
  uint64_t index_count, index_capacity;
} ListedModels;

/* Makes the models. If `is_alone` is set, the only file was named by itself, and is no shard. */
bool model_group_make(ListedModels *models, const ModelSearch *search, bool is_alone,
                      Session *session, Error *error);

/* Finds a model by its name. False if there is none. */
bool listed_models_find(const ListedModels *models, const char *name, uint64_t *row);

/* Whether all indexes are in the states in which they were read. */
bool listed_models_are_current(const ListedModels *models);

void listed_models_clear(ListedModels *models);

#endif
