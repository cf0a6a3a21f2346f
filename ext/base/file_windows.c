#include "base/file_windows.h"

#include "base/file_origin.h"
#include "base/program.h"
#include "base/system_error.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <errno.h>

int file_windows_identify(int descriptor, FileWindowsKind *kind, FileIdentity *identity) {
  BY_HANDLE_FILE_INFORMATION file;
  FILE_BASIC_INFO basic; /* which has the time of the last change of any kind */
  HANDLE handle = wide_handle(descriptor);
  *kind = FILE_WINDOWS_DEVICE;
  if (GetFileType(handle) != FILE_TYPE_DISK) return 0;
  if (!GetFileInformationByHandle(handle, &file) ||
      !GetFileInformationByHandleEx(handle, FileBasicInfo, &basic, sizeof basic)) {
    return wide_error();
  }
  bool is_directory = (file.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  *kind = is_directory ? FILE_WINDOWS_DIRECTORY : FILE_WINDOWS_REGULAR;
  *identity = (FileIdentity){.device = file.dwVolumeSerialNumber,
                             .inode = (uint64_t)file.nFileIndexHigh << 32 | file.nFileIndexLow,
                             .size = (uint64_t)file.nFileSizeHigh << 32 | file.nFileSizeLow,
                             .modified = wide_time(basic.LastWriteTime.QuadPart),
                             .changed = wide_time(basic.ChangeTime.QuadPart)};
  return 0;
}

static bool file_windows_raise_device(const char *path, Error *error) {
  return error_raise(error, ERROR_UNOPENED, path,
                     "expected a regular file, found a pipe, socket or device");
}

bool file_identify_descriptor(int descriptor, const char *path, FileIdentity *identity,
                              Error *error) {
  FileWindowsKind kind;
  FileOrigin origin;
  if (file_origin_find(descriptor, &origin)) {
    *identity = origin.identity;
    return true;
  }
  int number = file_windows_identify(descriptor, &kind, identity);
  if (number != 0) return system_error_raise(error, path, "look at the file", number);
  if (kind == FILE_WINDOWS_DEVICE) return file_windows_raise_device(path, error);
  return kind == FILE_WINDOWS_REGULAR ||
         error_raise(error, ERROR_UNOPENED, path, "expected %s, found a directory", program.file);
}

static int file_windows_open(const char *path, DWORD access, const char *action, Error *error) {
  int descriptor;
  int number = wide_open_text(path, access, FILE_FLAG_BACKUP_SEMANTICS, &descriptor);
  if (number == ENXIO) {
    file_windows_raise_device(path, error);
  } else if (number != 0) {
    system_error_raise(error, path, action, number);
  }
  return descriptor;
}

bool file_identify(const char *path, FileIdentity *identity, Error *error) {
  int descriptor = file_windows_open(path, FILE_READ_ATTRIBUTES, "look at the file", error);
  if (descriptor < 0) return false;
  bool good = file_identify_descriptor(descriptor, path, identity, error);
  file_close(descriptor);
  return good;
}

int file_open(const char *path, FileIdentity *identity, Error *error) {
  int descriptor = file_windows_open(path, GENERIC_READ, "open the file", error);
  if (descriptor < 0 || file_identify_descriptor(descriptor, path, identity, error)) {
    return descriptor;
  }
  file_close(descriptor);
  return -1;
}

void file_close(int descriptor) {
  file_origin_forget(descriptor);
  CloseHandle(wide_handle(descriptor));
}

int file_read_some(int descriptor, void *buffer, uint32_t size, uint64_t offset, uint32_t *got) {
  OVERLAPPED place = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
  DWORD count = 0;
  bool good = ReadFile(wide_handle(descriptor), buffer, size, &count, &place) ||
              GetLastError() == ERROR_HANDLE_EOF;
  *got = count;
  return good ? 0 : wide_error();
}

/* Windows takes such advice only when a file is opened. */

void file_no_read_ahead(int descriptor) {
  (void)descriptor;
}

void file_usual_read_ahead(int descriptor) {
  (void)descriptor;
}

int file_real_path(int descriptor, char **real_path) {
  return wide_real_path_text(descriptor, real_path);
}

#endif
