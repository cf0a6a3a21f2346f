#include "base/transfer.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/ip_range.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/threads.h"

#if !defined(_WIN32)

/* Requests by libcurl, which is opened when the first one is made, and never closed: it does not support
** that. The numbers are those of its ABI (curl/curl.h, curl/multi.h), which do not change. */

#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- The library ---- */

enum {
  CURL_LONG = 0,
  CURL_POINTER = 10000,
  CURL_FUNCTION = 20000,

  CURL_WRITE_DATA = CURL_POINTER + 1,
  CURL_URL = CURL_POINTER + 2,
  CURL_PROXY = CURL_POINTER + 4,
  CURL_USER_PASSWORD = CURL_POINTER + 5,
  CURL_RANGE = CURL_POINTER + 7,
  CURL_ERROR_BUFFER = CURL_POINTER + 10,
  CURL_WRITE_FUNCTION = CURL_FUNCTION + 11,
  CURL_USER_AGENT = CURL_POINTER + 18,
  CURL_LOW_SPEED_LIMIT = CURL_LONG + 19,
  CURL_LOW_SPEED_TIME = CURL_LONG + 20,
  CURL_HEADERS = CURL_POINTER + 23,
  CURL_HEADER_DATA = CURL_POINTER + 29,
  CURL_NO_BODY = CURL_LONG + 44,
  CURL_CA_FILE = CURL_POINTER + 65,
  CURL_CONNECT_TIMEOUT = CURL_LONG + 78,
  CURL_HEADER_FUNCTION = CURL_FUNCTION + 79,
  CURL_HTTP_VERSION = CURL_LONG + 84,
  CURL_CA_PATH = CURL_POINTER + 97,
  CURL_NO_SIGNAL = CURL_LONG + 99,
  CURL_PRIVATE = CURL_POINTER + 103,
  CURL_PROXY_AUTH = CURL_LONG + 111,
  CURL_OPEN_SOCKET_FUNCTION = CURL_FUNCTION + 163,
  CURL_OPEN_SOCKET_DATA = CURL_POINTER + 164,
  CURL_NO_PROXY = CURL_POINTER + 177,
  CURL_PATH_AS_IS = CURL_LONG + 234,
  CURL_SUPPRESS_CONNECT_HEADERS = CURL_LONG + 265,
  CURL_AWS_SIGV4 = CURL_POINTER + 305,
  CURL_QUICK_EXIT = CURL_LONG + 322,

  CURL_MULTI_MAX_CONNECTS = CURL_LONG + 6,
  CURL_MULTI_MAX_TOTAL_CONNECTIONS = CURL_LONG + 13,

  CURL_INFO_PRIVATE = 0x100000 + 21,
  CURL_INFO_PRIMARY_IP = 0x100000 + 32,
  CURL_GLOBAL_DEFAULT = 3,
  CURL_HTTP_2_OVER_TLS = 4,
  CURL_AUTH_ANY_SAFE = ~1 & ~(1 << 4), /* all but Basic and IE's Digest */
  CURL_AUTH_BASIC = 1,
  CURL_MESSAGE_DONE = 1
};

/* What ends a transfer, of CURLcode. */
enum {
  CURL_OK = 0,
  CURL_UNKNOWN_PROTOCOL = 1,
  CURL_BAD_URL = 3,
  CURL_NO_PROXY_FOUND = 5,
  CURL_NO_HOST_FOUND = 6,
  CURL_OUT_OF_MEMORY = 27,
  CURL_BAD_CERTIFICATE = 51,
  CURL_BAD_PEER = 60,
  CURL_BAD_CA_FILE = 77,
  CURL_BAD_ISSUER = 83,
  CURL_UNKNOWN_OPTION = 48,
  CURL_TOO_LARGE = 100
};

typedef struct CurlMessage {
  int kind;
  void *handle;
  union {
    void *whatever;
    int result;
  } data;
} CurlMessage;

typedef struct CurlSocketAddress {
  int family, type, protocol;
  unsigned length;
  struct sockaddr address; /* as long as `length` says */
} CurlSocketAddress;

static struct {
  int (*global_init)(long flags);
  void *(*easy_init)(void);
  int (*easy_setopt)(void *easy, int option, ...);
  int (*easy_getinfo)(void *easy, int info, ...);
  void (*easy_cleanup)(void *easy);
  const char *(*easy_strerror)(int result);
  void *(*slist_append)(void *list, const char *text);
  void (*slist_free_all)(void *list);
  void *(*multi_init)(void);
  int (*multi_setopt)(void *multi, int option, ...);
  int (*multi_add_handle)(void *multi, void *easy);
  int (*multi_remove_handle)(void *multi, void *easy);
  int (*multi_perform)(void *multi, int *running);
  int (*multi_wait)(void *multi, void *more, unsigned count, int milliseconds, int *ready);
  CurlMessage *(*multi_info_read)(void *multi, int *left);
  int (*multi_cleanup)(void *multi);
} curl;

static bool curl_is_ready;

static bool curl_find_all(void *library) {
  return library_find(library, "curl_global_init", &curl.global_init) &&
         library_find(library, "curl_easy_init", &curl.easy_init) &&
         library_find(library, "curl_easy_setopt", &curl.easy_setopt) &&
         library_find(library, "curl_easy_getinfo", &curl.easy_getinfo) &&
         library_find(library, "curl_easy_cleanup", &curl.easy_cleanup) &&
         library_find(library, "curl_easy_strerror", &curl.easy_strerror) &&
         library_find(library, "curl_slist_append", &curl.slist_append) &&
         library_find(library, "curl_slist_free_all", &curl.slist_free_all) &&
         library_find(library, "curl_multi_init", &curl.multi_init) &&
         library_find(library, "curl_multi_setopt", &curl.multi_setopt) &&
         library_find(library, "curl_multi_add_handle", &curl.multi_add_handle) &&
         library_find(library, "curl_multi_remove_handle", &curl.multi_remove_handle) &&
         library_find(library, "curl_multi_perform", &curl.multi_perform) &&
         library_find(library, "curl_multi_wait", &curl.multi_wait) &&
         library_find(library, "curl_multi_info_read", &curl.multi_info_read) &&
         library_find(library, "curl_multi_cleanup", &curl.multi_cleanup);
}

static bool curl_load(void) {
  static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib",
                                      "libcurl.so"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) continue;
    if (curl_find_all(library)) return curl.global_init(CURL_GLOBAL_DEFAULT) == CURL_OK;
    dlclose(library);
  }
  return false;
}

static bool curl_is_there(void) {
  process_lock_enter();
  if (!curl_is_ready) curl_is_ready = curl_load();
  bool ready = curl_is_ready;
  process_lock_leave();
  return ready;
}

/* ---- The pool ---- */

typedef struct CurlPool {
  void *multi;
  pid_t process; /* a child has no use for the connections of its parent */
  char *ca_file, *ca_path;
  Transfer *under_way; /* linked by `next` */
} CurlPool;

/* CURL_CA_BUNDLE and SSL_CERT_FILE are read by curl's program, and not by its library. */
static bool curl_find_authorities(CurlPool *pool) {
  if (!environment_find("CURL_CA_BUNDLE", &pool->ca_file)) return false;
  if (pool->ca_file == NULL && !environment_find("SSL_CERT_FILE", &pool->ca_file)) {
    return false;
  }
  return environment_find("SSL_CERT_DIR", &pool->ca_path);
}

/* In a child, what its parent asks for is given up, but not touched: both have the same connections. */
static bool curl_open_multi(CurlPool *pool) {
  for (Transfer *at = pool->under_way; at != NULL; at = at->next) {
    if (at->end == TRANSFER_UNDER_WAY) at->end = TRANSFER_FAILED;
    at->handle = at->list = NULL;
  }
  pool->multi = curl.multi_init();
  pool->process = getpid();
  if (pool->multi == NULL) return false;
  curl.multi_setopt(pool->multi, CURL_MULTI_MAX_CONNECTS, (long)TRANSFER_MOST);
  curl.multi_setopt(pool->multi, CURL_MULTI_MAX_TOTAL_CONNECTIONS, (long)TRANSFER_MOST);
  return true;
}

static void curl_close(void *context);

static void *curl_open(void) {
  CurlPool *pool = memory_zeroed(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->process = getpid();
  if (curl_find_authorities(pool) && curl_open_multi(pool)) return pool;
  curl_close(pool);
  return NULL;
}

static void curl_release(CurlPool *pool, Transfer *transfer) {
  Transfer **at = &pool->under_way;
  while (*at != NULL && *at != transfer) at = &(*at)->next;
  if (*at != NULL) *at = transfer->next;
  transfer->next = NULL;
  if (transfer->handle != NULL && pool->process == getpid()) {
    curl.multi_remove_handle(pool->multi, transfer->handle);
    curl.easy_cleanup(transfer->handle);
    curl.slist_free_all(transfer->list);
  }
  transfer->handle = transfer->list = NULL;
}

static void curl_abandon(void *context, Transfer *transfer) {
  curl_release(context, transfer);
}

static void curl_close(void *context) {
  CurlPool *pool = context;
  while (pool->under_way != NULL) curl_release(pool, pool->under_way);
  if (pool->multi != NULL && pool->process == getpid()) {
    curl.multi_cleanup(pool->multi);
  }
  memory_free(pool->ca_file);
  memory_free(pool->ca_path);
  memory_free(pool);
}

/* ---- What libcurl calls ---- */

static size_t curl_take_header(char *line, size_t size, size_t count, void *context) {
  return transfer_take_header(context, line, size * count) ? size * count : 0;
}

static size_t curl_take_body(char *bytes, size_t size, size_t count, void *context) {
  return transfer_take_body(context, bytes, size * count) ? size * count : 0;
}

static bool curl_is_special(const CurlSocketAddress *to) {
  unsigned char bytes[IP_V6_SIZE];
  if (to->family == AF_INET) {
    memcpy(bytes, (const char *)&to->address + 4, IP_V4_SIZE); /* sin_addr, after the port */
    return ip_is_special(bytes, IP_V4_SIZE);
  }
  if (to->family != AF_INET6) return true;
  memcpy(bytes, (const char *)&to->address + 8, IP_V6_SIZE); /* sin6_addr, after the flow */
  return ip_is_special(bytes, IP_V6_SIZE);
}

/* The address is the one that is connected to, after the name was looked up. */
static int curl_open_socket(void *context, int purpose, CurlSocketAddress *to) {
  Transfer *transfer = context;
  (void)purpose;
  if (transfer->public_only && curl_is_special(to)) {
    transfer->end = TRANSFER_REFUSED;
    return -1;
  }
  int type = to->type;
#if defined(SOCK_CLOEXEC)
  type |= SOCK_CLOEXEC;
#endif
  return socket(to->family, type, to->protocol);
}

/* ---- Requests ---- */

static bool curl_set_long(Transfer *transfer, int option, long value) {
  return curl.easy_setopt(transfer->handle, option, value) == CURL_OK;
}

static bool curl_set_text(Transfer *transfer, int option, const char *text) {
  return text == NULL || curl.easy_setopt(transfer->handle, option, text) == CURL_OK;
}

static bool curl_set_headers(Transfer *transfer) {
  for (size_t i = 0; i < sizeof transfer->headers / sizeof transfer->headers[0]; i++) {
    if (transfer->headers[i] == NULL) continue;
    void *list = curl.slist_append(transfer->list, transfer->headers[i]);
    if (list == NULL) return false;
    transfer->list = list;
  }
  return transfer->list == NULL ||
         curl.easy_setopt(transfer->handle, CURL_HEADERS, transfer->list) == CURL_OK;
}

static bool curl_set_functions(Transfer *transfer) {
  void *easy = transfer->handle;
  size_t (*take_body)(char *, size_t, size_t, void *) = curl_take_body;
  size_t (*take_header)(char *, size_t, size_t, void *) = curl_take_header;
  int (*open_socket)(void *, int, CurlSocketAddress *) = curl_open_socket;
  return curl.easy_setopt(easy, CURL_WRITE_FUNCTION, take_body) == CURL_OK &&
         curl.easy_setopt(easy, CURL_WRITE_DATA, transfer) == CURL_OK &&
         curl.easy_setopt(easy, CURL_HEADER_FUNCTION, take_header) == CURL_OK &&
         curl.easy_setopt(easy, CURL_HEADER_DATA, transfer) == CURL_OK &&
         curl.easy_setopt(easy, CURL_OPEN_SOCKET_FUNCTION, open_socket) == CURL_OK &&
         curl.easy_setopt(easy, CURL_OPEN_SOCKET_DATA, transfer) == CURL_OK &&
         curl.easy_setopt(easy, CURL_ERROR_BUFFER, transfer->words) == CURL_OK &&
         curl.easy_setopt(easy, CURL_PRIVATE, transfer) == CURL_OK;
}

/* Options that old libraries do not know may be left out, where nothing depends on them. */
static bool curl_set_options(const CurlPool *pool, Transfer *transfer) {
  curl_set_long(transfer, CURL_HTTP_VERSION, CURL_HTTP_2_OVER_TLS);
  curl_set_long(transfer, CURL_PATH_AS_IS, 1);
  curl_set_long(transfer, CURL_SUPPRESS_CONNECT_HEADERS, 1);
  curl_set_long(transfer, CURL_QUICK_EXIT, 1); /* who gives up does not wait for a name's address */
  return curl_set_functions(transfer) && curl_set_headers(transfer) &&
         curl_set_text(transfer, CURL_URL, transfer->url) &&
         curl_set_text(transfer, CURL_RANGE, transfer->range) &&
         curl_set_text(transfer, CURL_PROXY, transfer->proxy) &&
         curl_set_text(transfer, CURL_NO_PROXY, "") &&
         curl_set_text(transfer, CURL_CA_FILE, pool->ca_file) &&
         curl_set_text(transfer, CURL_CA_PATH, pool->ca_path) &&
         curl_set_text(transfer, CURL_AWS_SIGV4, transfer->signing) &&
         curl_set_text(transfer, CURL_USER_PASSWORD, transfer->keys) &&
         curl_set_long(transfer, CURL_NO_SIGNAL, 1) &&
         curl_set_long(transfer, CURL_NO_BODY, transfer->head) &&
         curl_set_long(transfer, CURL_CONNECT_TIMEOUT, transfer->connect_seconds) &&
         curl_set_long(transfer, CURL_LOW_SPEED_LIMIT, 1) &&
         curl_set_long(transfer, CURL_LOW_SPEED_TIME, transfer->stall_seconds);
}

static void curl_begin(void *context, Transfer *transfer) {
  CurlPool *pool = context;
  bool ready = pool->multi != NULL && pool->process == getpid();
  if (!ready) ready = curl_open_multi(pool);
  transfer->next = pool->under_way;
  pool->under_way = transfer;
  transfer->end = TRANSFER_NO_MEMORY;
  if (!ready) return;
  transfer->handle = curl.easy_init();
  if (transfer->handle == NULL) return;
  transfer->end = TRANSFER_HOPELESS;
  sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "this libcurl is too old");
  if (!curl_set_options(pool, transfer)) return;
  transfer->message[0] = '\0';
  transfer->end = TRANSFER_UNDER_WAY;
  if (curl.multi_add_handle(pool->multi, transfer->handle) != CURL_OK) {
    transfer->end = TRANSFER_NO_MEMORY;
  }
}

/* ---- Their ends ---- */

static TransferEnd curl_end_of(int result) {
  switch (result) {
    case CURL_OK: return TRANSFER_ANSWERED;
    case CURL_BAD_CERTIFICATE:
    case CURL_BAD_PEER:
    case CURL_BAD_CA_FILE:
    case CURL_BAD_ISSUER: return TRANSFER_UNTRUSTED;
    case CURL_UNKNOWN_PROTOCOL:
    case CURL_BAD_URL:
    case CURL_NO_PROXY_FOUND:
    case CURL_NO_HOST_FOUND:
    case CURL_OUT_OF_MEMORY: /* it also says so of a line of 100 kB */
    case CURL_TOO_LARGE:
    case CURL_UNKNOWN_OPTION: return TRANSFER_HOPELESS;
    default: return TRANSFER_FAILED;
  }
}

/* Whether the answer came from an address that is not public. */
static void curl_note_address(Transfer *transfer) {
  const char *text = NULL;
  unsigned char address[IP_V6_SIZE];
  if (curl.easy_getinfo(transfer->handle, CURL_INFO_PRIMARY_IP, &text) != CURL_OK || text == NULL)
    return;
  size_t size = ip_parse(text, strlen(text), address);
  transfer->special = size > 0 && ip_is_special(address, size);
}

/* A transfer that we have stopped knows why already. */
static void curl_note_ends(CurlPool *pool) {
  int left;
  for (CurlMessage *message; (message = curl.multi_info_read(pool->multi, &left)) != NULL;) {
    Transfer *transfer = NULL;
    if (message->kind != CURL_MESSAGE_DONE) continue;
    curl.easy_getinfo(message->handle, CURL_INFO_PRIVATE, &transfer);
    curl_note_address(transfer);
    if (transfer->end != TRANSFER_UNDER_WAY) continue;
    transfer->end = curl_end_of(message->data.result);
    if (transfer->end != TRANSFER_ANSWERED && transfer->message[0] == '\0') {
      const char *plain = message->data.result == CURL_OUT_OF_MEMORY
                              ? "too long a line, or no memory"
                              : curl.easy_strerror(message->data.result);
      sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "%s",
                       transfer->words[0] != '\0' ? transfer->words : plain);
    }
  }
}

/* The one that ended, of those under way, that was begun first. */
static Transfer *curl_take_ended(CurlPool *pool) {
  Transfer *ended = NULL;
  for (Transfer *at = pool->under_way; at != NULL; at = at->next) {
    transfer_watch(at);
    if (at->end != TRANSFER_UNDER_WAY) ended = at;
  }
  if (ended != NULL) curl_release(pool, ended);
  return ended;
}

static Transfer *curl_next(void *context, int64_t nanoseconds) {
  CurlPool *pool = context;
  int running = 0, ready = 0;
  if (pool->process != getpid()) curl_open_multi(pool);
  Transfer *ended = curl_take_ended(pool);
  if (ended != NULL || pool->under_way == NULL) return ended;
  curl.multi_perform(pool->multi, &running);
  curl_note_ends(pool);
  ended = curl_take_ended(pool);
  if (ended != NULL) return ended;
  int64_t before = clock_monotonic();
  curl.multi_wait(pool->multi, NULL, 0, (int)(nanoseconds / 1000000), &ready);
  /* Without a socket, as while a name is looked up, old libraries do not wait. */
  if (ready == 0 && clock_monotonic() - before < 500000) clock_sleep(1000000);
  curl.multi_perform(pool->multi, &running);
  curl_note_ends(pool);
  return curl_take_ended(pool);
}

static const TransferMeans transfer_library = {
    .find = curl_is_there,
    .open = curl_open,
    .close = curl_close,
    .begin = curl_begin,
    .next = curl_next,
    .abandon = curl_abandon,
};

const TransferMeans *transfer_means(unsigned number) {
  if (number == 0) return &transfer_library;
  return number == 1 ? transfer_program() : NULL;
}

const char *transfer_advice(void) {
  return "install libcurl (Debian: libcurl4; Alpine, Fedora: libcurl), or the program curl";
}

#endif
