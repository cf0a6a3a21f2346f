#include "base/file_write.h"

#include "base/file_origin.h"
#include "base/system_error.h"
#include "base/wide_windows.h"

#if defined(_WIN32)

int file_write_some(int descriptor, const void *bytes, uint32_t size, const uint64_t *place,
                    uint32_t *written) {
  uint64_t offset = place != NULL ? *place : 0;
  OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
  DWORD count = 0;
  bool good =
      WriteFile(wide_handle(descriptor), bytes, size, &count, place != NULL ? &at : NULL) != 0;
  *written = count;
  return good ? 0 : wide_error();
}

bool file_seek(int descriptor, const char *path, uint64_t offset, Error *error) {
  LARGE_INTEGER place = {.QuadPart = (int64_t)offset};
  return SetFilePointerEx(wide_handle(descriptor), place, NULL, FILE_BEGIN) ||
         file_write_raise(path, wide_error(), error);
}

void file_cut(int descriptor, uint64_t size) {
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = (int64_t)size};
  SetFileInformationByHandle(wide_handle(descriptor), FileEndOfFileInfo, &end, sizeof end);
}

int file_duplicate(int descriptor, const char *path, Error *error) {
  HANDLE process = GetCurrentProcess(), other;
  if (DuplicateHandle(process, wide_handle(descriptor), process, &other, 0, FALSE,
                      DUPLICATE_SAME_ACCESS)) {
    if (file_origin_copy(descriptor, (int)(intptr_t)other)) return (int)(intptr_t)other;
    CloseHandle(other);
    error_memory(error);
    return -1;
  }
  system_error_raise(error, path, "open the file", wide_error());
  return -1;
}

void file_discard(int descriptor) {
  CloseHandle(wide_handle(descriptor));
}

void file_start_writing_back(int descriptor, uint64_t offset, uint64_t size) {
  (void)descriptor, (void)offset, (void)size;
}

#endif
