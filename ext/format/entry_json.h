/*
** A tensor's entry that is not plain (unknown keys, escapes, surprising values), through jansson:
** that one entry alone; a DOM of the whole header is never built.
*/
#ifndef SAFETENSORS_FORMAT_ENTRY_JSON_H
#define SAFETENSORS_FORMAT_ENTRY_JSON_H

#include "format/scanner.h"

/* Parses the entry that starts where the scanner is, writes its shape over it in canonical form,
** and moves past it. entry->name must be set: messages name the tensor. */
bool entry_json_parse(Scanner *scanner, TensorEntry *entry, Error *error);

#endif
