/* The verbs: each script that is in the program, under its name and its aliases. */
#ifndef SAFETENSORS_PROGRAM_VERB_H
#define SAFETENSORS_PROGRAM_VERB_H

#include <stddef.h>

#include "base/suggest.h"
#include "program/embedded.h"
#include "program/script_header.h"

/* All verbs, sorted by name; *count says how many. If the header of one is not as it should be, this
** ends the program with a sentence. */
const ScriptHeader *verb_all(size_t *count);

/* The verb that the first words name; *used says how many words that took. NULL if there is none. */
const ScriptHeader *verb_find(int count, char **words, int *used);

/* The script, without its header if it is in the program. Kept memory. */
EmbeddedText verb_body(const ScriptHeader *verb);

/* The verbs of a directory of sql/: "merge, status"; NULL if there is no such directory. Kept memory. */
const char *verb_folder(const char *name);

/* Offers the names of all verbs. */
void verb_offer(Suggest *suggest);

#endif
