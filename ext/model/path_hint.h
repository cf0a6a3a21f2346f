/* What a path that names no checkpoint may have meant, for messages. The searches are bounded, and
** skip whatever they cannot read. */
#ifndef SAFETENSORS_MODEL_PATH_HINT_H
#define SAFETENSORS_MODEL_PATH_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

/* For a path that does not exist: a similar name in its directory, or a model of the Hugging Face
** cache, as "; did you mean \"x\"?", or "" if nothing is similar. To be released with
** memory_free(). NULL, with an error, if memory runs out or on an interrupt. */
char *path_hint_near(const char *path, Cancel *cancel, Error *error);

/* For a directory without a checkpoint: the directories below it that contain some, as "; there are
** some in a, b and c", or "". Released, and NULL, as above. */
char *path_hint_below(const char *directory, Cancel *cancel, Error *error);

#endif
