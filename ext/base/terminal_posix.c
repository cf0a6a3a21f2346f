#include "base/terminal.h"

#if !defined(_WIN32)
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is_there(void) {
  return isatty(STDERR_FILENO) != 0;
}

unsigned terminal_width(void) {
  struct winsize window;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
}

void terminal_write(const char *text, size_t length) {
  ssize_t written = write(STDERR_FILENO, text, length);
  (void)written;
}

#endif
