/* Finds out whether the file names of two checkpoints stand for one model in two variants, as
** "model.fp16.safetensors" and "consolidated.safetensors" do beside "model.safetensors". */
#ifndef SAFETENSORS_CHECK_FILE_STEM_H
#define SAFETENSORS_CHECK_FILE_STEM_H

#include <stdint.h>

/* Returns the name of a file without its directory, without ".safetensors", and without words that
** only name a variant: precision, quantisation, "pytorch", "model" and the like. The remaining
** words are in lower case, each followed by a space, so nothing is left of "model.fp16".
** memory_free() releases the text. Returns NULL if memory runs out. */
char *file_stem(const char *name, uint64_t length);

#endif
