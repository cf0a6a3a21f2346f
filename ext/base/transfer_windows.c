#include "base/transfer.h"

#include "base/ip_range.h"
#include "base/library.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/threads.h"
#include "base/url.h"
#include "base/utf16.h"
#include "base/wide_windows.h"

#if defined(_WIN32)

/* Requests by WinHTTP, a part of Windows, which is opened when the first one is made. Each is made by a thread of its own,
** so that any number can be waited for at a time. */

#include <string.h>
#include <winhttp.h>

enum { WIN_HTTP_READ = 64 << 10 };

/* ---- The library ---- */

static struct {
  __typeof__(&WinHttpOpen) open;
  __typeof__(&WinHttpCloseHandle) close;
  __typeof__(&WinHttpConnect) connect;
  __typeof__(&WinHttpOpenRequest) open_request;
  __typeof__(&WinHttpAddRequestHeaders) add_headers;
  __typeof__(&WinHttpSetOption) set_option;
  __typeof__(&WinHttpSetTimeouts) set_timeouts;
  __typeof__(&WinHttpSetStatusCallback) set_callback;
  __typeof__(&WinHttpSetCredentials) set_credentials;
  __typeof__(&WinHttpSendRequest) send;
  __typeof__(&WinHttpReceiveResponse) receive;
  __typeof__(&WinHttpQueryHeaders) query_headers;
  __typeof__(&WinHttpReadData) read;
} win_http;

static bool win_http_is_ready;

static bool win_http_load(void) {
  HMODULE library = LoadLibraryExW(L"winhttp.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
  return library != NULL && library_find(library, "WinHttpOpen", &win_http.open) &&
         library_find(library, "WinHttpCloseHandle", &win_http.close) &&
         library_find(library, "WinHttpConnect", &win_http.connect) &&
         library_find(library, "WinHttpOpenRequest", &win_http.open_request) &&
         library_find(library, "WinHttpAddRequestHeaders", &win_http.add_headers) &&
         library_find(library, "WinHttpSetOption", &win_http.set_option) &&
         library_find(library, "WinHttpSetTimeouts", &win_http.set_timeouts) &&
         library_find(library, "WinHttpSetStatusCallback", &win_http.set_callback) &&
         library_find(library, "WinHttpSetCredentials", &win_http.set_credentials) &&
         library_find(library, "WinHttpSendRequest", &win_http.send) &&
         library_find(library, "WinHttpReceiveResponse", &win_http.receive) &&
         library_find(library, "WinHttpQueryHeaders", &win_http.query_headers) &&
         library_find(library, "WinHttpReadData", &win_http.read);
}

static bool win_http_is_there(void) {
  process_lock_enter();
  if (!win_http_is_ready) win_http_is_ready = win_http_load();
  bool ready = win_http_is_ready;
  process_lock_leave();
  return ready;
}

/* ---- The pool ---- */

typedef struct WinHttpPool {
  Monitor *monitor; /* of what threads and requests share */
  HINTERNET session;
  Transfer *under_way; /* linked by `next` */
} WinHttpPool;

/* A request and its thread. The thread alone has the Transfer until `done` is set. */
typedef struct WinHttpRun {
  WinHttpPool *pool;
  Transfer *transfer;
  Threads *thread;
  HINTERNET request; /* within the monitor; closing it ends every wait for it */
  bool done, refused, abandoned;
} WinHttpRun;

static void win_http_close_request(WinHttpRun *run) {
  monitor_enter(run->pool->monitor);
  HINTERNET request = run->request;
  run->request = NULL;
  monitor_leave(run->pool->monitor);
  if (request != NULL) win_http.close(request);
}

/* Called before a connection is made, with the address as text. */
static void CALLBACK win_http_look(HINTERNET handle, DWORD_PTR context, DWORD status, void *words,
                                   DWORD length) {
  WinHttpRun *run = (WinHttpRun *)context;
  (void)handle;
  (void)length;
  if (run == NULL || status != WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER) return;
  unsigned char address[IP_V6_SIZE];
  char *text = words != NULL ? wide_text(words, wcslen(words)) : NULL;
  size_t size = text != NULL ? ip_parse(text, strlen(text), address) : 0;
  memory_free(text);
  run->transfer->special = ip_is_special(address, size);
  if (!run->transfer->special || !run->transfer->public_only) return;
  run->refused = true;
  win_http_close_request(run);
}

static void *win_http_open(void) {
  WinHttpPool *pool = memory_zeroed(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pool->monitor = monitor_new();
  pool->session = win_http.open(L"sqlite-safetensors", WINHTTP_ACCESS_TYPE_NO_PROXY, NULL, NULL, 0);
  if (pool->monitor != NULL && pool->session != NULL) {
    win_http.set_callback(pool->session, win_http_look, WINHTTP_CALLBACK_FLAG_CONNECT_TO_SERVER, 0);
    return pool;
  }
  if (pool->session != NULL) win_http.close(pool->session);
  monitor_free(pool->monitor);
  memory_free(pool);
  return NULL;
}

/* ---- A request, on its thread ---- */

static wchar_t *win_http_wide(const char *text, size_t length) {
  char *copy = memory_copy_text(text, length);
  wchar_t *wide = copy != NULL ? memory_alloc((length + 1) * sizeof *wide) : NULL;
  if (wide != NULL && !utf16_from_text(copy, (uint16_t *)wide)) {
    memory_free(wide);
    wide = NULL;
  }
  memory_free(copy);
  return wide;
}

static bool win_http_fail(Transfer *transfer, TransferEnd end, const char *what) {
  DWORD number = GetLastError();
  if (transfer->end != TRANSFER_UNDER_WAY) return false;
  switch (number) {
    case ERROR_WINHTTP_SECURE_FAILURE: transfer->end = TRANSFER_UNTRUSTED; break;
    case ERROR_WINHTTP_NAME_NOT_RESOLVED:
    case ERROR_WINHTTP_INVALID_URL: transfer->end = TRANSFER_HOPELESS; break;
    case ERROR_NOT_ENOUGH_MEMORY: transfer->end = TRANSFER_NO_MEMORY; break;
    default: transfer->end = end;
  }
  sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "%s fails with error %lu of Windows", what,
                   number);
  return false;
}

/* Opens the request to the host of the address. */
static bool win_http_prepare(WinHttpRun *run, const Url *url, HINTERNET *connection) {
  Transfer *transfer = run->transfer;
  DWORD flags = WINHTTP_FLAG_ESCAPE_DISABLE | WINHTTP_FLAG_ESCAPE_DISABLE_QUERY |
                (url->secure ? WINHTTP_FLAG_SECURE : 0);
  wchar_t *host = win_http_wide(url->host, url->host_length);
  wchar_t *path = win_http_wide(url->path, strcspn(url->path, "#"));
  HINTERNET request = NULL;
  if (host != NULL && path != NULL) {
    *connection = win_http.connect(run->pool->session, host, url->port, 0);
    if (*connection != NULL) {
      request = win_http.open_request(*connection, transfer->head ? L"HEAD" : L"GET", path, NULL,
                                      WINHTTP_NO_REFERER, WINHTTP_DEFAULT_ACCEPT_TYPES, flags);
    }
  }
  memory_free(host);
  memory_free(path);
  monitor_enter(run->pool->monitor);
  run->request = run->abandoned ? NULL : request;
  bool wanted = run->request != NULL;
  monitor_leave(run->pool->monitor);
  if (!wanted && request != NULL) win_http.close(request);
  return wanted || win_http_fail(transfer, TRANSFER_HOPELESS, "opening a request");
}

/* "http://[USER:PASSWORD@]HOST[:PORT]", or without a scheme, as curl has it. */
static bool win_http_set_proxy(WinHttpRun *run) {
  const char *proxy = run->transfer->proxy, *host = strstr(proxy, "://");
  if (proxy[0] == '\0') return true;
  if (host != NULL && sqlite3_strnicmp(proxy, "http://", 7) != 0) {
    sqlite3_snprintf(TRANSFER_MESSAGE, run->transfer->message,
                     "a proxy of another kind than http:// on Windows");
    run->transfer->end = TRANSFER_HOPELESS;
    return false;
  }
  host = host != NULL ? host + 3 : proxy;
  const char *at = strrchr(host, '@'), *name = at != NULL ? at + 1 : host;
  size_t user = at != NULL ? strcspn(host, ":@") : 0;
  wchar_t *server = win_http_wide(name, strcspn(name, "/"));
  wchar_t *id = at != NULL ? win_http_wide(host, user) : NULL;
  wchar_t *word = at != NULL && host[user] == ':'
                      ? win_http_wide(host + user + 1, (size_t)(at - host) - user - 1)
                      : NULL;
  WINHTTP_PROXY_INFO info = {.dwAccessType = WINHTTP_ACCESS_TYPE_NAMED_PROXY, .lpszProxy = server};
  bool set =
      server != NULL && win_http.set_option(run->request, WINHTTP_OPTION_PROXY, &info, sizeof info);
  if (set && id != NULL && word != NULL) {
    set = win_http.set_credentials(run->request, WINHTTP_AUTH_TARGET_PROXY,
                                   WINHTTP_AUTH_SCHEME_BASIC, id, word, NULL);
  }
  memory_free(server);
  memory_free(id);
  memory_free(word);
  return set || win_http_fail(run->transfer, TRANSFER_HOPELESS, "choosing the proxy");
}

static bool win_http_add_header(WinHttpRun *run, const char *header) {
  wchar_t *wide = win_http_wide(header, strlen(header));
  bool added =
      wide != NULL && win_http.add_headers(run->request, wide, (DWORD)-1, WINHTTP_ADDREQ_FLAG_ADD);
  memory_free(wide);
  return added || win_http_fail(run->transfer, TRANSFER_HOPELESS, "adding a header");
}

static bool win_http_set_headers(WinHttpRun *run) {
  const Transfer *transfer = run->transfer;
  for (size_t i = 0; i < sizeof transfer->headers / sizeof transfer->headers[0]; i++) {
    if (transfer->headers[i] != NULL && !win_http_add_header(run, transfer->headers[i]))
      return false;
  }
  if (transfer->range == NULL) return true;
  char *range = sqlite3_mprintf("Range: bytes=%s", transfer->range);
  bool added = range != NULL && win_http_add_header(run, range);
  sqlite3_free(range);
  return added;
}

static bool win_http_set(WinHttpRun *run) {
  Transfer *transfer = run->transfer;
  DWORD none = WINHTTP_DISABLE_REDIRECTS | WINHTTP_DISABLE_COOKIES | WINHTTP_DISABLE_AUTHENTICATION;
  DWORD_PTR context = (DWORD_PTR)run;
  int connect = (int)transfer->connect_seconds * 1000, stall = (int)transfer->stall_seconds * 1000;
  if (transfer->proxy[0] != '\0')
    none = WINHTTP_DISABLE_REDIRECTS | WINHTTP_DISABLE_COOKIES; /* it may want a password */
  if (transfer->signing != NULL) {
    sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message,
                     "requests that are signed with keys of S3, which WinHTTP does not make");
    transfer->end = TRANSFER_HOPELESS;
    return false;
  }
  return (win_http.set_option(run->request, WINHTTP_OPTION_DISABLE_FEATURE, &none, sizeof none) &&
          win_http.set_option(run->request, WINHTTP_OPTION_CONTEXT_VALUE, &context,
                              sizeof context) &&
          win_http.set_timeouts(run->request, connect, connect, stall, stall))
             ? win_http_set_proxy(run) && win_http_set_headers(run)
             : win_http_fail(transfer, TRANSFER_HOPELESS, "setting options");
}

static bool win_http_take_headers(WinHttpRun *run) {
  Transfer *transfer = run->transfer;
  DWORD size = 0;
  win_http.query_headers(run->request, WINHTTP_QUERY_RAW_HEADERS_CRLF, WINHTTP_HEADER_NAME_BY_INDEX,
                         NULL, &size, WINHTTP_NO_HEADER_INDEX);
  if (size > 2 * TRANSFER_MAX_HEADERS) {
    sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "headers of more than %d bytes",
                     TRANSFER_MAX_HEADERS);
    transfer->end = TRANSFER_HOPELESS;
    return false;
  }
  wchar_t *wide = memory_zeroed(size / sizeof *wide + 1, sizeof *wide);
  char *text = NULL;
  if (wide != NULL &&
      win_http.query_headers(run->request, WINHTTP_QUERY_RAW_HEADERS_CRLF,
                             WINHTTP_HEADER_NAME_BY_INDEX, wide, &size, WINHTTP_NO_HEADER_INDEX)) {
    text = wide_text(wide, wcslen(wide));
  }
  memory_free(wide);
  if (text == NULL) return win_http_fail(transfer, TRANSFER_FAILED, "reading the headers");
  bool taken = true;
  for (char *line = text, *end; *line != '\0' && taken; line = end) {
    end = line + strcspn(line, "\n");
    end += *end == '\n';
    if (*line != '\r') taken = transfer_take_header(transfer, line, (uint64_t)(end - line));
  }
  memory_free(text);
  return taken;
}

static bool win_http_take_body(WinHttpRun *run) {
  char *bytes = memory_alloc(WIN_HTTP_READ);
  bool taken = bytes != NULL;
  for (DWORD got = 1; taken && got > 0;) {
    if (!win_http.read(run->request, bytes, WIN_HTTP_READ, &got)) {
      taken = win_http_fail(run->transfer, TRANSFER_FAILED, "reading the answer");
    } else if (got > 0) {
      taken = transfer_take_body(run->transfer, bytes, got);
    }
  }
  if (bytes == NULL) run->transfer->end = TRANSFER_NO_MEMORY;
  memory_free(bytes);
  return taken;
}

/* A body that ends before its length is no answer. */
static bool win_http_is_whole(Transfer *transfer) {
  uint64_t length, whole = 0;
  const char *value = transfer_header(transfer, "Content-Length", &length);
  if (value == NULL || transfer->head || transfer->status >= 300) return true;
  for (uint64_t i = 0; i < length && value[i] >= '0' && value[i] <= '9' && whole < UINT64_MAX / 16;
       i++) {
    whole = whole * 10 + (uint64_t)(value[i] - '0');
  }
  if (whole == transfer->length) return true;
  sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "%llu of %llu bytes",
                   (sqlite3_uint64)transfer->length, (sqlite3_uint64)whole);
  transfer->end = TRANSFER_FAILED;
  return false;
}

static bool win_http_ask(WinHttpRun *run, HINTERNET *connection) {
  Url url;
  if (!url_parse(run->transfer->url, &url)) {
    run->transfer->end = TRANSFER_HOPELESS;
    return false;
  }
  if (!win_http_prepare(run, &url, connection) || !win_http_set(run)) return false;
  if (!win_http.send(run->request, WINHTTP_NO_ADDITIONAL_HEADERS, 0, NULL, 0, 0, (DWORD_PTR)run)) {
    return win_http_fail(run->transfer, TRANSFER_FAILED, "sending the request");
  }
  if (!win_http.receive(run->request, NULL))
    return win_http_fail(run->transfer, TRANSFER_FAILED, "waiting for the answer");
  return win_http_take_headers(run) && (run->transfer->head || win_http_take_body(run)) &&
         win_http_is_whole(run->transfer);
}

static void win_http_work(void *context, unsigned number) {
  WinHttpRun *run = context;
  HINTERNET connection = NULL;
  (void)number;
  bool answered = win_http_ask(run, &connection);
  if (answered) run->transfer->end = TRANSFER_ANSWERED;
  if (run->refused) run->transfer->end = TRANSFER_REFUSED;
  if (run->transfer->end == TRANSFER_UNDER_WAY) run->transfer->end = TRANSFER_NO_MEMORY;
  win_http_close_request(run);
  if (connection != NULL) win_http.close(connection);
  monitor_enter(run->pool->monitor);
  run->done = true;
  monitor_wake(run->pool->monitor);
  monitor_leave(run->pool->monitor);
}

/* ---- Requests, on the caller's thread ---- */

static void win_http_begin(void *context, Transfer *transfer) {
  WinHttpPool *pool = context;
  unsigned started = 0;
  WinHttpRun *run = memory_zeroed(1, sizeof *run);
  transfer->next = pool->under_way;
  pool->under_way = transfer;
  transfer->end = TRANSFER_UNDER_WAY;
  transfer->handle = run;
  if (run == NULL) return;
  *run = (WinHttpRun){.pool = pool, .transfer = transfer};
  run->thread = threads_start(1, win_http_work, run, &started);
  if (started > 0) return;
  transfer->end = TRANSFER_NO_MEMORY;
  run->done = true;
}

static void win_http_release(WinHttpPool *pool, Transfer *transfer) {
  Transfer **at = &pool->under_way;
  while (*at != NULL && *at != transfer) at = &(*at)->next;
  if (*at != NULL) *at = transfer->next;
  transfer->next = NULL;
  WinHttpRun *run = transfer->handle;
  transfer->handle = NULL;
  if (run == NULL) {
    transfer->end = TRANSFER_NO_MEMORY;
    return;
  }
  monitor_enter(pool->monitor);
  run->abandoned = true;
  monitor_leave(pool->monitor);
  win_http_close_request(run);
  threads_join(run->thread);
  memory_free(run);
}

static void win_http_abandon(void *context, Transfer *transfer) {
  win_http_release(context, transfer);
}

static void win_http_close(void *context) {
  WinHttpPool *pool = context;
  while (pool->under_way != NULL) win_http_release(pool, pool->under_way);
  win_http.close(pool->session);
  monitor_free(pool->monitor);
  memory_free(pool);
}

/* The one that has ended, and was begun first. Within the monitor. */
static Transfer *win_http_find_ended(const WinHttpPool *pool) {
  Transfer *ended = NULL;
  for (Transfer *at = pool->under_way; at != NULL; at = at->next) {
    const WinHttpRun *run = at->handle;
    if (run == NULL || run->done) ended = at;
  }
  return ended;
}

static Transfer *win_http_next(void *context, int64_t nanoseconds) {
  WinHttpPool *pool = context;
  monitor_enter(pool->monitor);
  Transfer *ended = win_http_find_ended(pool);
  if (ended == NULL && pool->under_way != NULL) {
    monitor_wait_for(pool->monitor, nanoseconds);
    ended = win_http_find_ended(pool);
  }
  monitor_leave(pool->monitor);
  if (ended != NULL) win_http_release(pool, ended);
  return ended;
}

static const TransferMeans transfer_library = {
    .find = win_http_is_there,
    .open = win_http_open,
    .close = win_http_close,
    .begin = win_http_begin,
    .next = win_http_next,
    .abandon = win_http_abandon,
};

const TransferMeans *transfer_means(unsigned number) {
  return number == 0 ? &transfer_library : NULL;
}

const char *transfer_advice(void) {
  return "winhttp.dll is a part of Windows";
}

#endif
