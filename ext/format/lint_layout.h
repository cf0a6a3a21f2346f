/* The check of where a file's tensors lie: end to end from 0 to the end of the file, each of the
** size that its dtype and shape make. */
#ifndef SAFETENSORS_FORMAT_LINT_LAYOUT_H
#define SAFETENSORS_FORMAT_LINT_LAYOUT_H

#include "format/lint_header.h"

/* Checks tensor number lint->tensor, in the order of offsets, as the next one. */
void lint_layout_tensor(HeaderLint *lint);

/* After the last one: whether the data ends where the file does. */
void lint_layout_end(HeaderLint *lint);

#endif
