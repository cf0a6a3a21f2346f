/*
** The check of a header or an index, and how many errors it finds: none if and only if the reader
** takes it. What it walks is checked too: findings point into the file, messages are text.
*/
#ifndef SAFETENSORS_FUZZ_LINT_H
#define SAFETENSORS_FUZZ_LINT_H

#include "base/utf8.h"
#include "check/lint_header.h"
#include "check/lint_index.h"
#include "format/signature.h"
#include "fuzz.h"

/* Of a file with this header and of that size. */
uint32_t lint_header_errors(const void *text, size_t length, uint64_t file_size);

/* Of an index by itself, without its shards. */
uint32_t lint_index_errors(const void *text, size_t length);

#endif
