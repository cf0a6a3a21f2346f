#include "base/terminal.h"

#include "base/utf16.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <string.h>

bool terminal_is_there(void) {
  DWORD mode;
  return GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode) != 0;
}

unsigned terminal_width(void) {
  CONSOLE_SCREEN_BUFFER_INFO screen;
  if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_ERROR_HANDLE), &screen)) return 0;
  return (unsigned)(screen.srWindow.Right - screen.srWindow.Left + 1);
}

/* A console shows bytes in its code page, which may be any, and UTF-16 as what it is. */
void terminal_write(const char *text, size_t length) {
  enum { TERMINAL_MAX = 2048 };
  char copy[TERMINAL_MAX + 1];
  wchar_t units[TERMINAL_MAX + 1];
  DWORD written;
  if (length > TERMINAL_MAX) length = TERMINAL_MAX;
  memcpy(copy, text, length);
  copy[length] = '\0';
  if (!utf16_from_text(copy, units)) return;
  WriteConsoleW(GetStdHandle(STD_ERROR_HANDLE), units, (DWORD)wcslen(units), &written, NULL);
}

#endif
