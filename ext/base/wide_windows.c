#include "base/wide_windows.h"

#include "base/memory.h"
#include "base/utf16.h"

#if defined(_WIN32)
#include <errno.h>
#include <string.h>
#include <wchar.h>

int wide_error(void) {
  switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_PATHNAME:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME: return ENOENT;
    case ERROR_DIRECTORY: return ENOTDIR;
    case ERROR_ACCESS_DENIED: return EACCES;
    case ERROR_PRIVILEGE_NOT_HELD: return EPERM;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE: return ETXTBSY;
    case ERROR_WRITE_PROTECT: return EROFS;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return EEXIST;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NO_SYSTEM_RESOURCES: return ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES: return EMFILE;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_QUOTA_EXCEEDED: return ENOSPC;
    case ERROR_FILE_TOO_LARGE: return EFBIG;
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW: return ENAMETOOLONG;
    case ERROR_NOT_SAME_DEVICE: return EXDEV;
    case ERROR_TOO_MANY_LINKS: return EMLINK;
    case ERROR_CANT_RESOLVE_FILENAME: return ELOOP;
    case ERROR_NOT_READY: return ENXIO;
    case ERROR_INVALID_PARAMETER: return EINVAL;
    case ERROR_INVALID_FUNCTION:
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED: return ENOSYS;
    default: return EIO;
  }
}

int wide_result(BOOL good) {
  return good ? 0 : wide_error();
}

/* ---- Paths ---- */

enum { WIDE_SHORT = 240 }; /* a directory's path may have 248 units, a file's 260 */

static const wchar_t wide_verbatim[] = L"\\\\?\\", wide_unc[] = L"\\\\?\\UNC\\";

static bool wide_starts(const wchar_t *path, const wchar_t *start) {
  return wcsncmp(path, start, wcslen(start)) == 0;
}

static int wide_from_text(const char *text, wchar_t **wide) {
  *wide = memory_alloc(((uint64_t)strlen(text) + 1) * sizeof **wide);
  if (*wide == NULL) return ENOMEM;
  if (utf16_from_text(text, *wide)) return 0;
  memory_free(*wide);
  *wide = NULL;
  return ENOENT; /* no file can have that name */
}

static void wide_turn_slashes(wchar_t *path) {
  for (; *path != L'\0'; path++) {
    if (*path == L'/') *path = L'\\';
  }
}

/* Makes the path absolute. */
static int wide_whole(const wchar_t *path, wchar_t **whole) {
  size_t before = wcslen(wide_unc);
  DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
  if (size == 0) return wide_error();
  wchar_t *block = memory_alloc((before + size) * sizeof *block);
  if (block == NULL) return ENOMEM;
  wchar_t *full = block + before; /* leaves room for what a long one needs */
  DWORD length = GetFullPathNameW(path, size, full, NULL);
  if (length == 0 || length >= size) { /* the current directory has changed meanwhile */
    memory_free(block);
    return length == 0 ? wide_error() : ENOENT;
  }
  const wchar_t *prefix = L"";
  size_t replaced = 0;
  if (length >= WIDE_SHORT && !wide_starts(full, wide_verbatim)) {
    bool is_share = wide_starts(full, L"\\\\");
    prefix = is_share ? wide_unc : wide_verbatim;
    replaced = is_share ? 2 : 0;
  }
  size_t prefix_length = wcslen(prefix);
  memmove(block + prefix_length, full + replaced, (length + 1 - replaced) * sizeof *block);
  memcpy(block, prefix, prefix_length * sizeof *block);
  *whole = block;
  return 0;
}

int wide_path(const char *path, wchar_t **wide) {
  wchar_t *given;
  *wide = NULL;
  int number = wide_from_text(path, &given);
  if (number != 0) return number;
  wide_turn_slashes(given);
  number = wide_whole(given, wide);
  memory_free(given);
  if (number != 0 || !wide_starts(*wide, L"\\\\.\\")) return number;
  memory_free(*wide);
  *wide = NULL;
  return ENXIO;
}

char *wide_text(const wchar_t *units, size_t length) {
  char *text = memory_alloc(utf16_text_size(length));
  if (text != NULL) utf16_to_text(units, length, text);
  return text;
}

/* ---- Handles ---- */

HANDLE wide_handle(int descriptor) {
  return (HANDLE)(intptr_t)descriptor;
}

int wide_open(const wchar_t *path, DWORD access, DWORD creation, DWORD flags, int *descriptor) {
  HANDLE handle = CreateFileW(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, creation, flags, NULL);
  *descriptor = (int)(intptr_t)handle;
  return wide_result(handle != INVALID_HANDLE_VALUE);
}

int wide_open_text(const char *path, DWORD access, DWORD flags, int *descriptor) {
  wchar_t *wide;
  *descriptor = -1;
  int number = wide_path(path, &wide);
  if (number == 0) number = wide_open(wide, access, OPEN_EXISTING, flags, descriptor);
  memory_free(wide);
  return number;
}

int wide_real_path(int descriptor, wchar_t **path) {
  HANDLE handle = wide_handle(descriptor);
  *path = NULL;
  DWORD size = GetFinalPathNameByHandleW(handle, NULL, 0, VOLUME_NAME_DOS);
  if (size == 0) return wide_error();
  size += MAX_PATH; /* it may be renamed meanwhile */
  wchar_t *real = memory_alloc(size * sizeof *real);
  if (real == NULL) return ENOMEM;
  DWORD length = GetFinalPathNameByHandleW(handle, real, size, VOLUME_NAME_DOS);
  if (length > 0 && length < size) {
    *path = real;
    return 0;
  }
  int number = length == 0 ? wide_error() : ENAMETOOLONG;
  memory_free(real);
  return number;
}

int wide_real_path_text(int descriptor, char **path) {
  wchar_t *real;
  *path = NULL;
  int number = wide_real_path(descriptor, &real);
  if (number != 0) return number;
  wchar_t *start = real;
  if (wide_starts(real, wide_unc)) {
    start = real + wcslen(wide_unc) - 2;
    start[0] = start[1] = L'\\';
  } else if (wide_starts(real, wide_verbatim)) {
    start = real + wcslen(wide_verbatim);
  }
  *path = wide_text(start, wcslen(start));
  memory_free(real);
  for (char *at = *path; at != NULL && *at != '\0'; at++) {
    if (*at == '\\') *at = '/';
  }
  return *path != NULL ? 0 : ENOMEM;
}

/* ---- What is open ---- */

int64_t wide_time(int64_t time) {
  static const int64_t of_1970 = 116444736000000000;
  return (time - of_1970) * 100;
}

/* Other reparse points, such as files that a cloud provides, are files like others. */
bool wide_is_link(int descriptor) {
  FILE_ATTRIBUTE_TAG_INFO tag;
  return GetFileInformationByHandleEx(wide_handle(descriptor), FileAttributeTagInfo, &tag,
                                      sizeof tag) &&
         (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
         (tag.ReparseTag == IO_REPARSE_TAG_SYMLINK || tag.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

#endif
