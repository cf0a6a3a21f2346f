/* What the Windows files of this directory share about files. */
#ifndef SAFETENSORS_BASE_FILE_WINDOWS_H
#define SAFETENSORS_BASE_FILE_WINDOWS_H

#include "base/file.h"

typedef enum FileWindowsKind {
  FILE_WINDOWS_REGULAR,
  FILE_WINDOWS_DIRECTORY,
  FILE_WINDOWS_DEVICE
} FileWindowsKind;

/* What is open, and the identity of what is no device. Returns 0 or an error number. */
int file_windows_identify(int descriptor, FileWindowsKind *kind, FileIdentity *identity);

#endif
