#include "base/utf16.h"
#include "base/wide_windows.h"
#include "program/keep.h"
#include "program/system.h"

#if defined(_WIN32)
#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

_Static_assert(sizeof(wchar_t) == sizeof(uint16_t), "text of Windows is UTF-16");

/* A text of Windows as UTF-8, in kept memory. */
static char *system_text(const wchar_t *units) {
  size_t length = wcslen(units);
  char *text = keep(utf16_text_size(length));
  utf16_to_text((const uint16_t *)units, length, text);
  return text;
}

/* The other way round. A text that is not UTF-8 names nothing. */
static wchar_t *system_wide(const char *text) {
  wchar_t *wide = keep((strlen(text) + 1) * sizeof *wide);
  if (!utf16_from_text(text, (uint16_t *)wide)) *wide = L'\0';
  return wide;
}

bool system_begin(int *count, char ***words) {
  wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), count);
  if (wide != NULL) {
    *words = keep(((size_t)*count + 1) * sizeof **words);
    for (int i = 0; i < *count; i++) (*words)[i] = system_text(wide[i]);
    LocalFree(wide);
  }
  SetConsoleOutputCP(CP_UTF8);
  _setmode(_fileno(stdout), _O_BINARY);
  _setmode(_fileno(stderr), _O_BINARY);
  return _get_osfhandle(_fileno(stdout)) >= 0;
}

const char *system_name(void) {
#if defined(__aarch64__)
  return "windows arm64";
#elif defined(__x86_64__)
  return "windows x86_64";
#else
  return "windows";
#endif
}

bool system_stdout_is_terminal(void) {
  HANDLE console = GetStdHandle(STD_OUTPUT_HANDLE);
  DWORD mode;
  /* A console shows colours once it is asked to. */
  return GetConsoleMode(console, &mode) != 0 &&
         SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0;
}

unsigned system_processors(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwNumberOfProcessors > 0 ? (unsigned)info.dwNumberOfProcessors : 1;
}

FILE *system_open_to_write(const char *path) {
  return _wfopen(system_wide(path), L"wb");
}

FILE *system_open_to_read(const char *path) {
  return _wfopen(system_wide(path), L"rb");
}

bool system_make_directory(const char *path) {
  const wchar_t *wide = system_wide(path);
  DWORD attributes;
  if (_wmkdir(wide) == 0) return true;
  attributes = GetFileAttributesW(wide);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

const char *system_temporary_file(const char *ending) {
  enum { SYSTEM_TRIES = 100 };
  wchar_t directory[MAX_PATH + 1];
  DWORD length = GetTempPathW(MAX_PATH + 1, directory);
  errno = ENOENT;
  for (unsigned i = 0; length > 0 && length <= MAX_PATH && i < SYSTEM_TRIES; i++) {
    const char *path = keep_format("%ssafetensors-sql-%lu-%u%s", system_text(directory),
                                   (unsigned long)GetCurrentProcessId(), i, ending);
    HANDLE file = CreateFileW(system_wide(path), GENERIC_WRITE, 0, NULL, CREATE_NEW,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) continue;
    CloseHandle(file);
    return path;
  }
  return NULL;
}

bool system_open_in_browser(const char *path) {
  enum { SYSTEM_OPENED = 32 }; /* what is greater is no error */
  return (INT_PTR)ShellExecuteW(NULL, L"open", system_wide(path), NULL, NULL, SW_SHOWNORMAL) >
         SYSTEM_OPENED;
}

#endif
