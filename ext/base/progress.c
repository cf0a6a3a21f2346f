#include "base/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/float_environment.h"
#include "base/program.h"
#include "base/quantity.h"
#include "base/terminal.h"

enum {
  PROGRESS_MAX_WIDTH = 200,
  PROGRESS_DEFAULT_WIDTH = 80,
  PROGRESS_MIN_NAME = 12,
  PROGRESS_MAX_PREFIX = 40,
  PROGRESS_MAX_NUMBERS = 160
};

static const int64_t progress_millisecond = 1000000;
static const int64_t progress_second = 1000000000;

/* ---- The line ---- */

static void progress_format_time(char *out, size_t size, double seconds) {
  uint64_t whole = seconds < 360000 ? (uint64_t)(seconds + 0.5) : 360000;
  if (whole < 60) {
    snprintf(out, size, "%" PRIu64 " s", whole);
  } else if (whole < 3600) {
    snprintf(out, size, "%" PRIu64 ":%02" PRIu64 " min", whole / 60, whole % 60);
  } else {
    snprintf(out, size, "%" PRIu64 ":%02" PRIu64 " h", whole / 3600, whole / 60 % 60);
  }
}

/* Appends a tensor's name in at most `columns` columns, and returns how many it took. Names come
** from files that need not be trusted: what could move the cursor becomes '?', and a character
** outside ASCII counts as two columns, the most that it can take. */
static unsigned progress_append_name(char *out, size_t *used, const char *name, uint64_t length,
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

static void progress_wipe(Progress *progress) {
  char line[PROGRESS_MAX_WIDTH + 2];
  if (progress->width == 0) return;
  line[0] = '\r';
  memset(line + 1, ' ', progress->width);
  line[1 + progress->width] = '\r';
  terminal_write(line, progress->width + 2);
  progress->width = 0;
}

static unsigned progress_terminal_width(void) {
  unsigned width = terminal_width();
  if (width == 0) return PROGRESS_DEFAULT_WIDTH;
  return width < PROGRESS_MAX_WIDTH ? width : PROGRESS_MAX_WIDTH;
}

/* Draws the line: as much of the name as there is room for, and the numbers. */
static void progress_draw(Progress *progress, const char *name, uint64_t length,
                          const char *numbers) {
  char prefix[PROGRESS_MAX_PREFIX];
  size_t behind = strlen(numbers);
  snprintf(prefix, sizeof prefix, "%s: ", program.name);
  unsigned width = progress_terminal_width() - 1; /* writing the last column may begin a new line */
  if (width < strlen(prefix) + behind + PROGRESS_MIN_NAME)
    prefix[0] = '\0'; /* the terminal is narrow */
  unsigned others = (unsigned)(strlen(prefix) + behind);
  if (width < others + PROGRESS_MIN_NAME) return;
  char line[4 * PROGRESS_MAX_WIDTH + PROGRESS_MAX_PREFIX + PROGRESS_MAX_NUMBERS];
  size_t used = 0;
  progress_wipe(progress);
  memcpy(line, prefix, strlen(prefix));
  used += strlen(prefix);
  progress->width = others + progress_append_name(line, &used, name, length, width - others);
  memcpy(line + used, numbers, behind);
  terminal_write(line, used + behind);
}

/* Bytes that have come since the line's work began. */
static double progress_fetched(const Progress *progress) {
  return (double)(size_t)(atomic_load(&progress->fetched) - progress->fetched_before);
}

static double progress_seconds(const Progress *progress, int64_t now) {
  return (double)(now - progress->began) / (double)progress_second;
}

static void progress_draw_tensor(Progress *progress, int64_t now) {
  char numbers[PROGRESS_MAX_NUMBERS], so_far[QUANTITY_SIZE], all[QUANTITY_SIZE],
      rate[QUANTITY_SIZE], left[QUANTITY_SIZE], come[QUANTITY_SIZE],
      fetched[2 * QUANTITY_SIZE] = "";
  double per_second = (double)(progress->done + progress->at) / progress_seconds(progress, now);
  quantity_format(so_far, (double)progress->at, "B");
  quantity_format(all, (double)progress->nbytes, "B");
  quantity_format(rate, per_second, "B");
  quantity_format(come, progress_fetched(progress), "B");
  progress_format_time(left, sizeof left,
                       (double)(progress->nbytes - progress->at) / (per_second + 1e-9));
  if (progress_fetched(progress) > 0) snprintf(fetched, sizeof fetched, ", %s fetched", come);
  int length = snprintf(numbers, sizeof numbers, "  %s of %s, %s/s, %s left%s", so_far, all, rate,
                        left, fetched);
  if (length < 0 || length >= (int)sizeof numbers) return;
  progress_draw(progress, progress->name, progress->name_length, numbers);
}

static void progress_draw_fetch(Progress *progress, const char *address, int64_t now) {
  char numbers[PROGRESS_MAX_NUMBERS], come[QUANTITY_SIZE], rate[QUANTITY_SIZE];
  quantity_format(come, progress_fetched(progress), "B");
  quantity_format(rate, progress_fetched(progress) / progress_seconds(progress, now), "B");
  snprintf(numbers, sizeof numbers, "  %s fetched, %s/s", come, rate);
  progress_draw(progress, address, strlen(address), numbers);
}

/* ---- When it is drawn ---- */

/* Work that follows other work closely counts together with it. */
static void progress_follow(Progress *progress) {
  int64_t now = clock_monotonic();
  if (progress->began != 0 && now - progress->ended <= 500 * progress_millisecond) return;
  progress->began = now;
  progress->done = 0;
  progress->fetched_before = atomic_load(&progress->fetched);
}

/* Whether the line is to be drawn again. */
static bool progress_is_due(const Progress *progress, int64_t now) {
  return now - progress->began >= progress_second &&
         now - progress->drawn >= 100 * progress_millisecond && terminal_is_there();
}

/* Draws the line of an address, or where that is NULL of the tensor, if it is due. */
static void progress_draw_due(Progress *progress, const char *address) {
  int64_t now = clock_monotonic();
  if (!progress_is_due(progress, now)) return;
  FloatEnvironment host;
  float_environment_enter(&host);
  if (address == NULL) {
    progress_draw_tensor(progress, now);
  } else {
    progress_draw_fetch(progress, address, now);
  }
  float_environment_leave(&host);
  progress->drawn = now;
}

void progress_begin(Progress *progress, const char *name, uint64_t name_length, uint64_t nbytes) {
  if (!progress->enabled) return;
  progress_follow(progress);
  progress->name = name;
  progress->name_length = name_length;
  progress->nbytes = nbytes;
  progress_step(progress, 0);
}

void progress_step(Progress *progress, uint64_t done) {
  if (!progress->enabled || progress->name == NULL) return;
  progress->at = done < progress->nbytes ? done : progress->nbytes;
  progress_draw_due(progress, NULL);
}

void progress_end(Progress *progress) {
  if (progress->name == NULL) return;
  progress_wipe(progress);
  progress->name = NULL;
  progress->done += progress->nbytes;
  progress->ended = clock_monotonic();
}

void progress_fetch(Progress *progress, const char *address) {
  if (!progress->enabled) return;
  if (progress->name == NULL && !progress->fetching) progress_follow(progress);
  progress->fetching = true;
  progress_draw_due(progress, progress->name != NULL ? NULL : address);
}

void progress_end_fetch(Progress *progress) {
  if (!progress->fetching) return;
  progress->fetching = false;
  if (progress->name != NULL) return;
  progress_wipe(progress);
  progress->ended = clock_monotonic();
}
