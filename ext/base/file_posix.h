/* What the POSIX files of this directory share about files. */
#ifndef SAFETENSORS_BASE_FILE_POSIX_H
#define SAFETENSORS_BASE_FILE_POSIX_H

#include "base/file.h"

struct stat;

/* The identity in what stat() or one of its kind has filled in. */
void file_posix_take_status(const struct stat *status, FileIdentity *identity);

#endif
