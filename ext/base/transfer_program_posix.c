
#include "base/transfer.h"

#include "base/environment.h"
#include "base/ip_range.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/url.h"

#if !defined(_WIN32)

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <crt_externs.h>
#define environ (*_NSGetEnviron()) /* the only way for a library */
#elif defined(__FreeBSD__)
extern char **environ __attribute__((weak)); /* the program has it, and no library */
#else
extern char **environ;
#endif

enum { PROGRAM_LINE = 16 << 10, PROGRAM_READ = 64 << 10, PROGRAM_ADDRESSES = 1024 };

/* One curl at work. */
typedef struct ProgramRun {
  pid_t process;
  int output, complaints; /* what it prints, and its messages; -1 once they have ended */
  bool in_body;
  uint32_t used;           /* of `line` */
  char line[PROGRAM_LINE]; /* a line of the headers that has not ended */
} ProgramRun;

typedef struct ProgramPool {
  pid_t process;       /* whose it is; a child cannot wait for the programs of its parent */
  Transfer *under_way; /* linked by `next` */
} ProgramPool;

/* ---- Finding it ---- */

static bool program_is_there(void) {
  char *path = NULL;
  bool found = false;
  if (!environment_find("PATH", &path)) return false;
  for (const char *at = path; at != NULL && *at != '\0' && !found;) {
    size_t length = strcspn(at, ":");
    char *name = sqlite3_mprintf("%.*s/curl", (int)length, at);
    found = name != NULL && length > 0 && access(name, X_OK) == 0;
    sqlite3_free(name);
    at += length + (at[length] == ':');
  }
  memory_free(path);
  return found;
}

static void *program_open(void) {
  ProgramPool *pool = memory_zeroed(1, sizeof *pool);
  if (pool != NULL) pool->process = getpid();
  return pool;
}

/* ---- What it is told ---- */

/* A line of curl's configuration, NAME = "VALUE". */
static void program_tell(sqlite3_str *text, const char *name, const char *value) {
  if (value == NULL) return;
  sqlite3_str_appendf(text, "%s = \"", name);
  for (; *value != '\0'; value++) {
    if (*value == '"' || *value == '\\') sqlite3_str_appendchar(text, 1, '\\');
    sqlite3_str_appendchar(text, 1, *value == '\n' || *value == '\r' ? ' ' : *value);
  }
  sqlite3_str_appendall(text, "\"\n");
}

static bool program_is_special(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4);
    return ip_is_special((const unsigned char *)&v4.sin_addr, IP_V4_SIZE);
  }
  if (address->sa_family != AF_INET6) return true;
  struct sockaddr_in6 v6;
  memcpy(&v6, address, sizeof v6);
  return ip_is_special((const unsigned char *)&v6.sin6_addr, IP_V6_SIZE);
}

/* Looks a name up, unless a proxy does, and sets `end` if there is no address, or one that is special and must not be.
** Otherwise curl is told which they are, so that it cannot find others. */
static void program_tell_addresses(sqlite3_str *text, Transfer *transfer) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  Url url;
  if (transfer->proxy[0] != '\0' || !url_parse(transfer->url, &url)) return;
  char *host = memory_copy_text(url.host, url.host_length);
  int problem = host != NULL ? getaddrinfo(host, NULL, &hints, &found) : EAI_MEMORY;
  if (problem != 0) {
    transfer->end = problem == EAI_MEMORY ? TRANSFER_NO_MEMORY : TRANSFER_HOPELESS;
    sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "%s", gai_strerror(problem));
    memory_free(host);
    return;
  }
  sqlite3_str_appendf(text, "resolve = \"%s:%d:", host, url.port);
  const char *comma = "";
  for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
    char name[INET6_ADDRSTRLEN];
    transfer->special = transfer->special || program_is_special(at->ai_addr);
    if (getnameinfo(at->ai_addr, at->ai_addrlen, name, sizeof name, NULL, 0, NI_NUMERICHOST) != 0)
      continue;
    sqlite3_str_appendf(text, at->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", comma, name);
    comma = ",";
  }
  if (transfer->special && transfer->public_only) transfer->end = TRANSFER_REFUSED;
  sqlite3_str_appendall(text, "\"\n");
  freeaddrinfo(found);
  memory_free(host);
}

/* NULL if memory runs out, or if there is nothing to ask; then `end` says why. sqlite3_free() releases it. */
static char *program_configuration(Transfer *transfer) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendf(text,
                      "silent\nshow-error\ninclude\nsuppress-connect-headers\npath-as-is\ngloboff\n"
                      "connect-timeout = %ld\nspeed-limit = 1\nspeed-time = %ld\n%s",
                      transfer->connect_seconds, transfer->stall_seconds,
                      transfer->head ? "head\n" : "");
  for (size_t i = 0; i < sizeof transfer->headers / sizeof transfer->headers[0]; i++) {
    program_tell(text, "header", transfer->headers[i]);
  }
  program_tell(text, "url", transfer->url);
  program_tell(text, "range", transfer->range);
  program_tell(text, "proxy", transfer->proxy);
  program_tell(text, "noproxy", "");
  program_tell(text, "aws-sigv4", transfer->signing);
  program_tell(text, "user", transfer->keys);
  program_tell_addresses(text, transfer);
  char *configuration = sqlite3_str_finish(text);
  if (configuration == NULL && transfer->end == TRANSFER_UNDER_WAY)
    transfer->end = TRANSFER_NO_MEMORY;
  if (transfer->end == TRANSFER_UNDER_WAY) return configuration;
  sqlite3_free(configuration);
  return NULL;
}

/* ---- Starting it ---- */

static void program_close(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

static bool program_make_pipes(int pipes[3][2]) {
  bool made = socketpair(AF_UNIX, SOCK_STREAM, 0, pipes[0]) == 0 && pipe(pipes[1]) == 0 &&
              pipe(pipes[2]) == 0;
  for (int i = 0; i < 6; i++) {
    if (pipes[i / 2][i % 2] >= 0) fcntl(pipes[i / 2][i % 2], F_SETFD, FD_CLOEXEC);
  }
  return made;
}

static int program_spawn(ProgramRun *run, int pipes[3][2]) {
  static char name[] = "curl", plain[] = "-q", option[] = "--config", standard[] = "-";
  char *arguments[] = {name, plain, option, standard, NULL};
  posix_spawn_file_actions_t actions;
  int problem = posix_spawn_file_actions_init(&actions);
  if (problem != 0) return problem;
  for (int i = 0; i < 3 && problem == 0; i++) {
    problem = posix_spawn_file_actions_adddup2(&actions, pipes[i][i > 0], i);
  }
  if (problem == 0) problem = posix_spawnp(&run->process, name, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return problem;
}

/* A process that has ended does not kill us by SIGPIPE. */
static bool program_send(int descriptor, const char *text) {
#if defined(MSG_NOSIGNAL)
  const int flags = MSG_NOSIGNAL;
#else
  const int flags = 0, on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  for (size_t length = strlen(text); length > 0;) {
    ssize_t sent = send(descriptor, text, length, flags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text += sent;
    length -= (size_t)sent;
  }
  return true;
}

static bool program_start(ProgramRun *run, const char *configuration) {
  int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  bool started = program_make_pipes(pipes) && program_spawn(run, pipes) == 0;
  if (started) {
    program_send(pipes[0][1], configuration);
    run->output = pipes[1][0];
    run->complaints = pipes[2][0];
    pipes[1][0] = pipes[2][0] = -1;
  }
  for (int i = 0; i < 6; i++) program_close(&pipes[i / 2][i % 2]);
  return started;
}

/* In a child, gives up what its parent asks for, whose programs are not its own. */
static void program_notice_fork(ProgramPool *pool) {
  if (pool->process == getpid()) return;
  pool->process = getpid();
  for (Transfer *at = pool->under_way; at != NULL; at = at->next) {
    ProgramRun *run = at->handle;
    if (run != NULL) run->process = 0;
    if (at->end == TRANSFER_UNDER_WAY) at->end = TRANSFER_FAILED;
  }
}

static void program_begin(void *context, Transfer *transfer) {
  ProgramPool *pool = context;
  program_notice_fork(pool);
  transfer->next = pool->under_way;
  pool->under_way = transfer;
  transfer->end = TRANSFER_UNDER_WAY;
  char *configuration = program_configuration(transfer);
  if (configuration == NULL) return;
  ProgramRun *run = memory_zeroed(1, sizeof *run);
  if (run == NULL) {
    transfer->end = TRANSFER_NO_MEMORY;
  } else {
    run->output = run->complaints = -1;
    transfer->handle = run;
    if (!program_start(run, configuration)) {
      transfer->end = TRANSFER_HOPELESS;
      sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "the program curl cannot be started");
    }
  }
  sqlite3_free(configuration);
}

/* ---- Ending it ---- */

static void program_release(ProgramPool *pool, Transfer *transfer) {
  Transfer **at = &pool->under_way;
  while (*at != NULL && *at != transfer) at = &(*at)->next;
  if (*at != NULL) *at = transfer->next;
  transfer->next = NULL;
  ProgramRun *run = transfer->handle;
  transfer->handle = NULL;
  if (run == NULL) return;
  bool runs = run->output >= 0 || run->complaints >= 0;
  program_close(&run->output);
  program_close(&run->complaints);
  if (run->process > 0) {
    if (runs) kill(run->process, SIGKILL);
    while (waitpid(run->process, NULL, 0) < 0 && errno == EINTR) continue;
  }
  memory_free(run);
}

static void program_abandon(void *context, Transfer *transfer) {
  program_notice_fork(context);
  program_release(context, transfer);
}

static void program_close_pool(void *context) {
  ProgramPool *pool = context;
  program_notice_fork(pool);
  while (pool->under_way != NULL) program_release(pool, pool->under_way);
  memory_free(pool);
}

/* What "curl: (NUMBER) WORDS" means, by curl's list of exit codes. */
static TransferEnd program_end_of(int number) {
  switch (number) {
    case 51:
    case 60:
    case 77:
    case 83: return TRANSFER_UNTRUSTED;
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 27: /* it also says so of a line of 100 kB */
    case 100: return TRANSFER_HOPELESS;
    default: return TRANSFER_FAILED;
  }
}

/* Both pipes have ended. */
static void program_finish(Transfer *transfer) {
  static const char start[] = "curl: (";
  if (transfer->end != TRANSFER_UNDER_WAY) return;
  if (transfer->message[0] == '\0' && transfer->status > 0) {
    transfer->end = TRANSFER_ANSWERED;
    return;
  }
  transfer->end = TRANSFER_FAILED;
  if (strncmp(transfer->message, start, sizeof start - 1) != 0) return;
  char *words;
  transfer->end = program_end_of((int)strtol(transfer->message + sizeof start - 1, &words, 10));
  words += strspn(words, ") ");
  memmove(transfer->message, words, strlen(words) + 1);
  transfer->message[strcspn(transfer->message, "\r\n")] = '\0';
}

/* ---- What it prints ---- */

static bool program_take_line(Transfer *transfer, ProgramRun *run) {
  bool empty = run->used <= 2 && run->line[0] != 'H' && strspn(run->line, "\r\n") > 0;
  bool interim = transfer->status >= 100 && transfer->status < 200;
  run->line[run->used] = '\0';
  if (empty) {
    run->in_body = !interim;
    run->used = 0;
    return true;
  }
  uint32_t length = run->used;
  run->used = 0;
  return transfer_take_header(transfer, run->line, length);
}

static bool program_take(Transfer *transfer, ProgramRun *run, const char *bytes, size_t size) {
  while (size > 0 && !run->in_body) {
    run->line[run->used++] = *bytes;
    size--;
    if (*bytes++ == '\n' || run->used == PROGRAM_LINE - 1) {
      if (!program_take_line(transfer, run)) return false;
    }
  }
  return size == 0 || transfer_take_body(transfer, bytes, size);
}

/* Reads what is there. A pipe that has ended is closed. */
static void program_read_output(Transfer *transfer, ProgramRun *run) {
  char bytes[PROGRAM_READ];
  ssize_t got = read(run->output, bytes, sizeof bytes);
  if (got > 0) {
    if (!program_take(transfer, run, bytes, (size_t)got) && transfer->end == TRANSFER_UNDER_WAY) {
      transfer->end = TRANSFER_HOPELESS;
    }
  } else if (got == 0 || errno != EINTR) {
    program_close(&run->output);
  }
}

static void program_read_complaints(Transfer *transfer, ProgramRun *run) {
  char bytes[TRANSFER_MESSAGE];
  size_t used = strlen(transfer->message);
  ssize_t got = read(run->complaints, bytes, sizeof bytes);
  if (got > 0) {
    size_t room = TRANSFER_MESSAGE - 1 - used, size = (size_t)got < room ? (size_t)got : room;
    memcpy(transfer->message + used, bytes, size);
    transfer->message[used + size] = '\0';
  } else if (got == 0 || errno != EINTR) {
    program_close(&run->complaints);
  }
}

static Transfer *program_take_ended(ProgramPool *pool) {
  Transfer *ended = NULL;
  for (Transfer *at = pool->under_way; at != NULL; at = at->next) {
    ProgramRun *run = at->handle;
    if (run != NULL && run->output < 0 && run->complaints < 0) program_finish(at);
    transfer_watch(at);
    if (at->end != TRANSFER_UNDER_WAY) ended = at;
  }
  if (ended != NULL) program_release(pool, ended);
  return ended;
}

static Transfer *program_next(void *context, int64_t nanoseconds) {
  ProgramPool *pool = context;
  struct pollfd waits[2 * TRANSFER_MOST];
  nfds_t count = 0;
  program_notice_fork(pool);
  Transfer *ended = program_take_ended(pool);
  if (ended != NULL || pool->under_way == NULL) return ended;
  for (Transfer *at = pool->under_way; at != NULL && count < 2 * TRANSFER_MOST; at = at->next) {
    ProgramRun *run = at->handle; /* poll() passes over a descriptor of -1 */
    waits[count++] = (struct pollfd){.fd = run->output, .events = POLLIN};
    waits[count++] = (struct pollfd){.fd = run->complaints, .events = POLLIN};
  }
  if (poll(waits, count, (int)(nanoseconds / 1000000)) <= 0) return NULL;
  count = 0;
  for (Transfer *at = pool->under_way; at != NULL && count < 2 * TRANSFER_MOST; at = at->next) {
    ProgramRun *run = at->handle;
    if (waits[count++].revents != 0) program_read_output(at, run);
    if (waits[count++].revents != 0) program_read_complaints(at, run);
  }
  return program_take_ended(pool);
}

static const TransferMeans transfer_program_means = {
    .find = program_is_there,
    .open = program_open,
    .close = program_close_pool,
    .begin = program_begin,
    .next = program_next,
    .abandon = program_abandon,
};

const TransferMeans *transfer_program(void) {
  return &transfer_program_means;
}

#endif
