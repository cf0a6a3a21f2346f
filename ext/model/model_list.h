/*
** The models at a path, as safetensors_models lists them, and what the files beside them say. What
** was found stays in the session until directories or indexes change.
**
** Making a list reads indexes, but no headers: model_state.h does that for one model.
*/
#ifndef SAFETENSORS_MODEL_MODEL_LIST_H
#define SAFETENSORS_MODEL_MODEL_LIST_H

#include "model/model_group.h"
#include "model/model_kind.h"

typedef struct ModelList ModelList;

/* NULL on an error, also if the path names nothing. model_list_release() releases it. */
ModelList *model_list_open(Session *session, const char *path, Error *error);
void model_list_release(ModelList *list);

/* What they are. Belongs to the list. */
const ListedModels *model_list_models(const ModelList *list);

/* Of models of the network: begins to ask for the headers of those from a row on up to `end` that are single files. Does
** nothing where that was done. */
bool model_list_expect(ModelList *list, Session *session, uint64_t row, uint64_t end, Error *error);

/* Sets *kind to what the files beside a model and its name say. *is_sure is false if the tensors
** may say something else (model_state.h). */
bool model_list_kind(ModelList *list, Session *session, const ListedModel *model, ModelKind *kind,
                     bool *is_sure, Error *error);

/* Sets *text to the text of the configuration beside a model of that kind: of an adapter
** adapter_config.json, else config.json, else model_index.json; NULL if there is none that is a JSON
** object of at most 16 MB. memory_free() releases it. */
bool model_list_config(ModelList *list, Session *session, const ListedModel *model, ModelKind kind,
                       char **text, Error *error);

#endif
