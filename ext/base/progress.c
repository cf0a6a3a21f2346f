#include "base/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/quantity.h"

enum { MAX_WIDTH = 200, DEFAULT_WIDTH = 80, MIN_NAME = 12, MAX_NUMBERS = 160 };

static const int64_t millisecond = 1000000, second = 1000000000;

/* ---- The line ---- */

static void format_time(char *out, size_t size, double seconds) {
  uint64_t whole = seconds < 360000 ? (uint64_t)(seconds + 0.5) : 360000;
  if (whole < 60) {
    snprintf(out, size, "%" PRIu64 " s", whole);
  } else if (whole < 3600) {
    snprintf(out, size, "%" PRIu64 ":%02" PRIu64 " min", whole / 60, whole % 60);
  } else {
    snprintf(out, size, "%" PRIu64 ":%02" PRIu64 " h", whole / 3600, whole / 60 % 60);
  }
}

/* Appends a tensor's name in at most `columns` columns, and returns how many it took. Names are a
** stranger's: what could move the cursor becomes '?', and what is not ASCII counts as two columns,
** the most that it can take. */
static unsigned append_name(char *out, size_t *used, const char *name, uint64_t length,
                            unsigned columns) {
  unsigned taken = 0;
  uint64_t i = 0;
  while (i < length) {
    unsigned char lead = (unsigned char)name[i];
    uint64_t bytes = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    bool control = lead < 0x20 || lead == 0x7f || (lead >= 0x80 && lead < 0xc0) ||
                   (lead == 0xc2 && i + 1 < length && (unsigned char)name[i + 1] < 0xa0);
    unsigned width = bytes > 1 && !control ? 2 : 1;
    bool last = i + bytes >= length;
    if (bytes > length - i || taken + width + (last ? 0 : 3) > columns) break;
    if (control) {
      out[(*used)++] = '?';
    } else {
      memcpy(out + *used, name + i, (size_t)bytes);
      *used += (size_t)bytes;
    }
    taken += width;
    i += bytes;
  }
  if (i == length) return taken;
  memcpy(out + *used, "...", 3);
  *used += 3;
  return taken + 3;
}

static void write_out(const char *text, size_t length) {
  ssize_t written = write(STDERR_FILENO, text, length);
  (void)written; /* there is nothing to be done about it */
}

static void wipe(Progress *progress) {
  char line[MAX_WIDTH + 2];
  if (progress->width == 0) return;
  line[0] = '\r';
  memset(line + 1, ' ', progress->width);
  line[1 + progress->width] = '\r';
  write_out(line, progress->width + 2);
  progress->width = 0;
}

static unsigned terminal_width(void) {
  struct winsize window;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return DEFAULT_WIDTH;
  return window.ws_col < MAX_WIDTH ? window.ws_col : MAX_WIDTH;
}

static void draw(Progress *progress, uint64_t done, int64_t now) {
  const char *prefix = "safetensors: ";
  char numbers[MAX_NUMBERS], so_far[QUANTITY_SIZE], all[QUANTITY_SIZE], rate[QUANTITY_SIZE],
      left[QUANTITY_SIZE];
  double per_second =
      (double)(progress->done + done) / ((double)(now - progress->began) / (double)second);
  quantity_format(so_far, (double)done, "B");
  quantity_format(all, (double)progress->nbytes, "B");
  quantity_format(rate, per_second, "B");
  format_time(left, sizeof left, (double)(progress->nbytes - done) / (per_second + 1e-9));
  int length =
      snprintf(numbers, sizeof numbers, "  %s of %s, %s/s, %s left", so_far, all, rate, left);
  if (length < 0 || length >= (int)sizeof numbers) return;

  unsigned width = terminal_width() - 1; /* the last column may begin a new line */
  if (width < strlen(prefix) + (unsigned)length + MIN_NAME) prefix = ""; /* a narrow terminal */
  unsigned others = (unsigned)strlen(prefix) + (unsigned)length;
  if (width < others + MIN_NAME) return;
  char line[4 * MAX_WIDTH + MAX_NUMBERS];
  size_t used = 0;
  wipe(progress);
  memcpy(line, prefix, strlen(prefix));
  used += strlen(prefix);
  progress->width =
      others + append_name(line, &used, progress->name, progress->name_length, width - others);
  memcpy(line + used, numbers, (size_t)length);
  write_out(line, used + (size_t)length);
  progress->drawn = now;
}

/* ---- When it is drawn ---- */

void progress_begin(Progress *progress, const char *name, uint64_t name_length, uint64_t nbytes) {
  if (!progress->enabled) return;
  int64_t now = platform_monotonic();
  if (progress->began == 0 || now - progress->ended > 500 * millisecond) {
    progress->began = now;
    progress->done = 0;
  }
  progress->name = name;
  progress->name_length = name_length;
  progress->nbytes = nbytes;
  progress_step(progress, 0);
}

void progress_step(Progress *progress, uint64_t done) {
  if (!progress->enabled || progress->name == NULL) return;
  int64_t now = platform_monotonic();
  if (done > progress->nbytes) done = progress->nbytes;
  if (now - progress->began < second || now - progress->drawn < 100 * millisecond) return;
  if (isatty(STDERR_FILENO)) draw(progress, done, now);
}

void progress_end(Progress *progress) {
  if (progress->name == NULL) return;
  wipe(progress);
  progress->name = NULL;
  progress->done += progress->nbytes;
  progress->ended = platform_monotonic();
}
