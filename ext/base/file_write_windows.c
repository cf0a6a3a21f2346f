#include "base/file_write.h"

#include "base/system_error.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <errno.h>

static bool file_write_windows_raise(const char *path, int number, Error *error) {
  return error_raise(error, system_error_write_code(number), path, "cannot write: %s",
                     system_error_words(number));
}

/* Writes where the file stands, or at *place, which then moves. */
static bool file_write_windows_all(int descriptor, const char *path, const void *bytes,
                                   uint64_t size, const uint64_t *place, Error *error) {
  const char *from = bytes;
  uint64_t offset = place != NULL ? *place : 0;
  while (size > 0) {
    DWORD chunk = size < (1u << 30) ? (DWORD)size : 1u << 30, written = 0;
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    if (!WriteFile(wide_handle(descriptor), from, chunk, &written, place != NULL ? &at : NULL)) {
      return file_write_windows_raise(path, wide_error(), error);
    }
    if (written == 0) return file_write_windows_raise(path, ENOSPC, error);
    from += written;
    offset += written;
    size -= written;
  }
  return true;
}

bool file_write(int descriptor, const char *path, const void *bytes, uint64_t size, Error *error) {
  return file_write_windows_all(descriptor, path, bytes, size, NULL, error);
}

bool file_write_at(int descriptor, const char *path, const void *bytes, uint64_t size,
                   uint64_t offset, Error *error) {
  return file_write_windows_all(descriptor, path, bytes, size, &offset, error);
}

bool file_seek(int descriptor, const char *path, uint64_t offset, Error *error) {
  LARGE_INTEGER place = {.QuadPart = (int64_t)offset};
  return SetFilePointerEx(wide_handle(descriptor), place, NULL, FILE_BEGIN) ||
         file_write_windows_raise(path, wide_error(), error);
}

void file_cut(int descriptor, uint64_t size) {
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (int64_t)size};
  SetFileInformationByHandle(wide_handle(descriptor), FileEndOfFileInfo, &end, sizeof end);
}

int file_duplicate(int descriptor, const char *path, Error *error) {
  HANDLE process = GetCurrentProcess(), other;
  if (DuplicateHandle(process, wide_handle(descriptor), process, &other, 0, FALSE,
                      DUPLICATE_SAME_ACCESS)) {
    return (int)(intptr_t)other;
  }
  system_error_raise(error, path, "open the file", wide_error());
  return -1;
}

void file_start_writing_back(int descriptor, uint64_t offset, uint64_t size) {
  (void)descriptor, (void)offset, (void)size;
}

#endif
