/*
** progress: the line about long work, on a pseudo terminal in place of stderr.
*/
#include "base/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { COLUMNS = 80, OUTPUT = 1 << 16 };

static int passed, failed;

static void check(bool good, const char *what, const char *found) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("FAIL %s: \"%s\"\n", what, found);
  }
}

/* Lets time pass, without waiting for it. */
static void age(Progress *progress, int64_t milliseconds) {
  progress->began -= milliseconds * 1000000;
  progress->ended -= milliseconds * 1000000;
  progress->drawn -= milliseconds * 1000000;
}

/* What the terminal got since the last call. */
static const char *written(int terminal) {
  static char text[OUTPUT];
  size_t used = 0;
  struct pollfd wanted = {.fd = terminal, .events = POLLIN};
  while (used < sizeof text - 1 && poll(&wanted, 1, 20) > 0) {
    ssize_t got = read(terminal, text + used, sizeof text - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  text[used] = '\0';
  return text;
}

/* The line that a terminal shows after `text`: carriage returns, and what is written over. */
static const char *screen(const char *text) {
  static char line[4 * COLUMNS];
  size_t at = 0, end = 0;
  for (; *text != '\0' && at + 1 < sizeof line; text++) {
    if (*text == '\r') {
      at = 0;
    } else {
      line[at++] = *text;
      if (at > end) end = at;
    }
  }
  while (end > 0 && line[end - 1] == ' ') end--;
  line[end] = '\0';
  return line;
}

/* Begins a tensor of 1 GB, and comes to `done` MB of it after `milliseconds`. */
static void work(Progress *progress, const char *name, int64_t milliseconds, uint64_t done) {
  progress_begin(progress, name, strlen(name), 1000000000);
  age(progress, milliseconds);
  progress_step(progress, done * 1000000);
}

/* Begins a tensor after a rest, and comes to 100 MB of it before a second has passed: on a busy
** machine not always at once. */
static void work_for_less_than_a_second(Progress *progress, const char *name, int terminal) {
  do {
    progress_end(progress);
    (void)written(terminal);
    age(progress, 700);
    work(progress, name, 900, 100);
  } while (clock_monotonic() - progress->began >= 1000000000);
}

/* Goes on within 100 ms of the last drawing. */
static void step_soon(Progress *progress, uint64_t done, int terminal) {
  do {
    (void)written(terminal);
    progress->drawn = clock_monotonic();
    progress_step(progress, done);
  } while (clock_monotonic() - progress->drawn >= 100000000);
}

/* Bytes of the network: work of their own, or behind the numbers of a tensor. */
static void test_fetch(int terminal) {
  static const char address[] = "hf://org/name@0123/model.safetensors";
  Progress progress = {.enabled = true};
  double rate = 0;
  atomic_store(&progress.fetched, 5000000);
  progress_fetch(&progress, address);
  check(strcmp(written(terminal), "") == 0, "nothing before a second of fetching", "");
  atomic_fetch_add(&progress.fetched, 12400000);
  age(&progress, 2000);
  progress_fetch(&progress, address);
  const char *line = screen(written(terminal));
  int found = sscanf(
      line, "safetensors: hf://org/name@0123/model.safetensors  12.4 MB fetched, %lf MB/s", &rate);
  check(found == 1 && rate > 4 && rate <= 6.2, "what came since fetching began, and how fast",
        line);
  progress_end_fetch(&progress);
  check(strcmp(screen(written(terminal)), "") == 0, "wiped out after fetching", "");
  work(&progress, "layer.weight", 100, 250);
  progress_fetch(&progress, address);
  line = screen(written(terminal));
  check(strstr(line, "layer.weight  250 MB of 1.00 GB, ") != NULL &&
            strstr(line, " left, 12.4 MB fetched") != NULL,
        "beside a tensor", line);
  progress_end_fetch(&progress);
  check(progress.name != NULL, "the tensor goes on", "");
  progress_end(&progress);
  check(strcmp(screen(written(terminal)), "") == 0, "wiped out with it", "");
  progress.enabled = false;
  progress_fetch(&progress, address);
  check(strcmp(written(terminal), "") == 0 && !progress.fetching, "switched off", "");
}

static void test_line(int terminal) {
  Progress progress = {.enabled = true};
  work_for_less_than_a_second(&progress, "model.embed_tokens.weight", terminal);
  check(strcmp(written(terminal), "") == 0, "nothing before a second", "");
  age(&progress, 1100);
  progress_step(&progress, 250000000);
  const char *line = screen(written(terminal));
  double rate = 0, left = 0;
  int found = sscanf(line,
                     "safetensors: model.embed_tokens.weight  250 MB of 1.00 GB, %lf MB/s, "
                     "%lf s left",
                     &rate, &left);
  /* 250 MB in 2 s, or somewhat more on a busy machine; 750 MB are left. */
  check(found == 2 && rate > 100 && rate <= 125, "tensor, bytes, rate", line);
  check(left >= 6 && left <= 8, "time left", line);
  step_soon(&progress, 260000000, terminal);
  check(strcmp(written(terminal), "") == 0, "not drawn too often", "");
  age(&progress, 100);
  progress_step(&progress, 1000000000);
  line = screen(written(terminal));
  check(strstr(line, "  1.00 GB of 1.00 GB, ") != NULL && strstr(line, " 0 s left") != NULL,
        "at the end", line);
  progress_end(&progress);
  line = screen(written(terminal));
  check(strcmp(line, "") == 0, "wiped out", line);

  age(&progress, 300);
  work(&progress, "next", 0, 0);
  check(strstr(screen(written(terminal)), "safetensors: next  ") != NULL, "tensors count together",
        "");
  progress_end(&progress);
  work_for_less_than_a_second(&progress, "later", terminal);
  check(strcmp(written(terminal), "") == 0, "after a rest nothing before a second", "");
  progress_end(&progress);

  age(&progress, 700);
  work(&progress, "minutes", 100000, 500);
  line = screen(written(terminal));
  check(strstr(line, " 1:40 min left") != NULL, "minutes", line);
  progress_end(&progress);
  (void)written(terminal);

  age(&progress, 700);
  work(&progress, "slow", 7500000, 500);
  line = screen(written(terminal));
  check(strstr(line, ", 66.7 kB/s, 2:05 h left") != NULL, "hours", line);
  progress_end(&progress);
  (void)written(terminal);
}

static void test_names(int terminal) {
  Progress progress = {.enabled = true};
  char name[300];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  work(&progress, name, 1200, 500);
  const char *line = screen(written(terminal));
  check(strlen(line) < COLUMNS && strstr(line, "xxx...  ") != NULL, "a long name", line);
  progress_end(&progress);
  check(strcmp(screen(written(terminal)), "") == 0, "a long name is wiped out", "");

  work(&progress,
       "a\033[2J\nb\xc2\x9b"
       "c\x80",
       1200, 500);
  const char *text = written(terminal);
  check(strstr(text, "a?[2J?b") != NULL && strchr(text, '\033') == NULL &&
            strstr(text, "\xc2\x9b") == NULL && strchr(text, '\n') == NULL,
        "a name with control characters", text);
  progress_end(&progress);
  (void)written(terminal);

  char wide[3 * 60 + 1]; /* characters of two columns: cut between them */
  for (int i = 0; i < 60; i++) memcpy(wide + (ptrdiff_t)3 * i, "\xe5\xb1\x82", 4);
  work(&progress, wide, 1200, 500);
  text = written(terminal);
  check(strstr(text, "\xe5\xb1\x82...  ") != NULL, "a wide name", text);
  progress_end(&progress);
  (void)written(terminal);
}

static void test_silence(int terminal) {
  Progress progress = {.enabled = false};
  work(&progress, "not asked for", 1300, 500);
  progress_end(&progress);
  check(strcmp(written(terminal), "") == 0, "not asked for", "");

  int kept = dup(STDERR_FILENO);
  int file = open("/dev/null", O_WRONLY);
  dup2(file, STDERR_FILENO);
  progress.enabled = true;
  work(&progress, "no terminal", 1300, 500);
  progress_end(&progress);
  check(progress.width == 0 && progress.drawn < 0, "no terminal", "");
  dup2(kept, STDERR_FILENO);
  close(file);
  close(kept);
}

static void test_narrow(int terminal) {
  Progress progress = {.enabled = true};
  struct winsize window = {.ws_row = 24, .ws_col = 60};
  ioctl(terminal, TIOCSWINSZ, &window);
  work(&progress, "model.layers.0.mlp.weight", 1200, 500);
  const char *line = screen(written(terminal));
  check(strlen(line) < 60 && strncmp(line, "model.layer", 11) == 0 && strstr(line, " left"),
        "a narrow terminal", line);
  progress_end(&progress);
  check(strcmp(screen(written(terminal)), "") == 0, "a narrow terminal is left empty", "");

  window.ws_col = 40;
  ioctl(terminal, TIOCSWINSZ, &window);
  work(&progress, "model.layers.0.mlp.weight", 1200, 500);
  progress_end(&progress);
  check(strcmp(written(terminal), "") == 0, "no line where none has room", "");
  window.ws_col = COLUMNS;
  ioctl(terminal, TIOCSWINSZ, &window);
}

int main(void) {
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
    printf("skipped: no pseudo terminal\n0 passed, 0 failed\n");
    return 0;
  }
  int tty = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  struct winsize window = {.ws_row = 24, .ws_col = COLUMNS};
  ioctl(terminal, TIOCSWINSZ, &window);
  int kept = dup(STDERR_FILENO);
  if (tty < 0 || dup2(tty, STDERR_FILENO) < 0) return 1;
  test_line(terminal);
  test_fetch(terminal);
  test_names(terminal);
  test_narrow(terminal);
  test_silence(terminal);
  dup2(kept, STDERR_FILENO);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
