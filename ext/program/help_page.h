/* What the program says about itself, from the headers of the scripts. */
#ifndef SAFETENSORS_PROGRAM_HELP_PAGE_H
#define SAFETENSORS_PROGRAM_HELP_PAGE_H

#include <stdio.h>

#include "program/script_header.h"

/* All verbs, a line each. */
void help_page_all(FILE *file);

/* One verb: what it takes, leaves and ends with. */
void help_page_verb(FILE *file, const ScriptHeader *verb);

#endif
