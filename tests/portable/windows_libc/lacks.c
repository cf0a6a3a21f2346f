#include "lacks.h"

#if defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "ftw.h"

/* Text is bytes on every system. */
__attribute__((constructor)) static void use_binary_streams(void) {
  _set_fmode(_O_BINARY);
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
  _setmode(_fileno(stderr), _O_BINARY);
}

void *reallocarray(void *block, size_t count, size_t size) {
  return size > 0 && count > SIZE_MAX / size ? NULL : realloc(block, count * size);
}

static void swap_rows(char *a, char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char byte = a[i];
    a[i] = b[i];
    b[i] = byte;
  }
}

/* A heap sort: nothing that is sorted here is large. */
static void sift_down(char *rows, size_t at, size_t count, size_t size,
                      int (*compare)(const void *, const void *, void *), void *context) {
  for (size_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && compare(rows + child * size, rows + (child + 1) * size, context) < 0) {
      child++;
    }
    if (compare(rows + at * size, rows + child * size, context) >= 0) return;
    swap_rows(rows + at * size, rows + child * size, size);
  }
}

void qsort_r(void *rows, size_t count, size_t size,
             int (*compare)(const void *left, const void *right, void *context), void *context) {
  for (size_t at = count / 2; at-- > 0;) sift_down(rows, at, count, size, compare, context);
  for (size_t left = count; left-- > 1;) {
    swap_rows(rows, (char *)rows + left * size, size);
    sift_down(rows, 0, left, size, compare, context);
  }
}

ssize_t getdelim(char **text, size_t *capacity, int end, FILE *file) {
  size_t length = 0;
  int byte = EOF;
  while (byte != end && (byte = getc(file)) != EOF) {
    if (length + 2 > *capacity) {
      *capacity = *capacity * 2 + 256;
      char *grown = realloc(*text, *capacity);
      if (grown == NULL) return -1;
      *text = grown;
    }
    (*text)[length++] = (char)byte;
    (*text)[length] = '\0';
  }
  return length > 0 ? (ssize_t)length : -1;
}

char *mkdtemp(char *path) {
  static unsigned number;
  char *digits = path + strlen(path) - strlen("XXXXXX");
  for (int attempt = 0; attempt < 1000; attempt++) {
    snprintf(digits, strlen("XXXXXX") + 1, "%06u", ((unsigned)_getpid() + number++) % 1000000);
    if (_mkdir(path) == 0) return path;
    if (errno != EEXIST) break;
  }
  return NULL;
}

/* ---- Paths that are UTF-8 ---- */

enum { MAX_UNITS = 4096 };

/* In the form without limits of length; "" if that cannot be done. */
static void widen(const char *path, wchar_t wide[MAX_UNITS]) {
  wchar_t units[MAX_UNITS];
  wcscpy(wide, L"\\\\?\\");
  if (MultiByteToWideChar(CP_UTF8, 0, path, -1, units, MAX_UNITS) == 0 ||
      GetFullPathNameW(units, MAX_UNITS - 4, wide + 4, NULL) == 0) {
    wide[0] = L'\0';
  }
}

static int finish(BOOL good) {
  if (good) return 0;
  errno = EACCES;
  return -1;
}

int lacks_unlink(const char *path) {
  wchar_t wide[MAX_UNITS];
  widen(path, wide);
  return finish(DeleteFileW(wide));
}

int lacks_rmdir(const char *path) {
  wchar_t wide[MAX_UNITS];
  widen(path, wide);
  return finish(RemoveDirectoryW(wide));
}

int nftw(const char *path,
         int (*entry)(const char *path, const struct stat *status, int type, struct FTW *walk),
         int descriptors, int flags) {
  wchar_t wide[MAX_UNITS];
  char below[MAX_UNITS], name[MAX_UNITS];
  WIN32_FIND_DATAW found;
  snprintf(below, sizeof below, "%s/*", path);
  widen(below, wide);
  HANDLE search = FindFirstFileW(wide, &found);
  if (search == INVALID_HANDLE_VALUE) return finish(FALSE);
  int result = 0;
  do {
    if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0) continue;
    WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, MAX_UNITS, NULL, NULL);
    snprintf(below, sizeof below, "%s/%s", path, name);
    result = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0
                 ? nftw(below, entry, descriptors, flags)
                 : entry(below, NULL, FTW_F, NULL);
  } while (result == 0 && FindNextFileW(search, &found));
  FindClose(search);
  return result != 0 ? result : entry(path, NULL, FTW_DP, NULL);
}

#endif
