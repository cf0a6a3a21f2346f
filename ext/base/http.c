#include "base/http.h"

#include <string.h>

#include "base/clock.h"
#include "base/http_wait.h"
#include "base/ip_range.h"
#include "base/memory.h"
#include "base/proxy.h"
#include "base/sqlite.h"
#include "base/url.h"

#define HTTP_SECOND ((int64_t)1000000000)

/* How long we wait before we ask whether to go on. */
#define HTTP_TICK (HTTP_SECOND / 20)

struct Http {
  Transfers *transfers;                     /* NULL as long as nothing was asked for */
  HttpRequest *waiting, *under_way, *ended; /* linked by `next`; the first was added first */
  int count;                                /* of those under way */
  uint64_t received, requests;
  uint64_t most; /* of `received` */
};

/* ---- Lists ---- */

static void http_append(HttpRequest **list, HttpRequest *request) {
  while (*list != NULL) list = &(*list)->next;
  request->next = NULL;
  *list = request;
}

static bool http_take(HttpRequest **list, HttpRequest *request) {
  while (*list != NULL && *list != request) list = &(*list)->next;
  if (*list == NULL) return false;
  *list = request->next;
  request->next = NULL;
  return true;
}

Http *http_open(void) {
  Http *http = memory_zeroed(1, sizeof *http);
  if (http != NULL) http->most = UINT64_MAX;
  return http;
}

static void http_abandon_all(Http *http) {
  while (http->under_way != NULL) http_abandon(http, http->under_way);
  http->waiting = http->ended = NULL;
}

void http_close(Http *http) {
  if (http == NULL) return;
  http_abandon_all(http);
  transfers_close(http->transfers);
  memory_free(http);
}

void http_add(Http *http, HttpRequest *request) {
  request->due = 0;
  request->tries = request->redirects = 0;
  request->inside = false;
  request->added = clock_monotonic();
  http_append(&http->waiting, request);
}

void http_abandon(Http *http, HttpRequest *request) {
  if (http_take(&http->under_way, request)) {
    transfers_abandon(http->transfers, &request->transfer);
    http->received += request->transfer.length;
    http->count--;
  }
  http_take(&http->waiting, request);
  http_take(&http->ended, request);
}

void http_release(HttpRequest *request) {
  transfer_clear(&request->transfer);
  memory_free(request->final_url);
  memory_free(request->range);
  memory_free(request->if_match);
  memory_free(request->if_none_match);
  memory_free(request->proxy);
  memory_free(request->signature);
  error_clear(&request->error);
  request->final_url = request->range = request->proxy = request->signature = NULL;
  request->if_match = request->if_none_match = NULL;
  request->status = 0;
  request->stopped = false;
}

uint64_t http_received(const Http *http) {
  uint64_t received = http->received;
  for (const HttpRequest *request = http->under_way; request != NULL; request = request->next) {
    received += request->transfer.length;
  }
  return received;
}

void http_limit(Http *http, uint64_t bytes) {
  uint64_t received = http_received(http);
  http->most = bytes < UINT64_MAX - received ? received + bytes : UINT64_MAX;
}

uint64_t http_requests(const Http *http) {
  return http->requests;
}

/* ---- Answers ---- */

bool http_header(const HttpRequest *request, const char *name, char **value) {
  uint64_t length;
  const char *text = transfer_header(&request->transfer, name, &length);
  *value = text != NULL ? memory_copy_text(text, length) : NULL;
  return text == NULL || *value != NULL;
}

/* Whether a body is text that a person can read, and not a page. */
static bool http_is_readable(const unsigned char *body, uint64_t length) {
  if (length == 0 || memchr(body, '\0', length) != NULL) return false;
  return body[0] != '<' || memory_find((const char *)body, length, "<Message>", 9) != NULL;
}

char *http_words(const HttpRequest *request) {
  const Transfer *transfer = &request->transfer;
  uint64_t length;
  const char *text = transfer_header(transfer, "X-Error-Message", &length);
  if (text == NULL) {
    if (!http_is_readable(transfer->body, transfer->length)) return NULL;
    text = (const char *)transfer->body;
    length = transfer->length;
    const char *message = memory_find(text, length, "<Message>", 9); /* S3's */
    if (message != NULL) {
      length -= (uint64_t)(message + 9 - text);
      text = message + 9;
      const char *end = memory_find(text, length, "</Message>", 10);
      if (end != NULL) length = (uint64_t)(end - text);
    }
  }
  char *words = memory_copy_text(text, length);
  for (char *at = words; at != NULL && *at != '\0'; at++) {
    if (*at == '\r' || *at == '\n' || *at == '\t') *at = ' ';
  }
  length = words != NULL ? strlen(words) : 0;
  while (length > 0 && (words[length - 1] == ' ' || words[length - 1] == '.'))
    words[--length] = '\0';
  return words;
}

/* ---- Who may be asked ---- */

static const char *http_address(const HttpRequest *request) {
  return request->final_url != NULL ? request->final_url : request->url;
}

/* Fills in the error of the request, and returns false. */
static bool http_refuse(HttpRequest *request, ErrorCode code, const char *format, const Url *url) {
  char *host = memory_copy_text(url->host != NULL ? url->host : "", url->host_length);
  if (host == NULL) return error_memory(&request->error);
  error_fill(&request->error, code, request->subject, format, host);
  memory_free(host);
  return false;
}

/* Checks the address that is to be asked next, and sets whether it must be public. */
static bool http_check_address(HttpRequest *request) {
  Url url = {0}, own = {0};
  if (!url_parse(request->url, &own) || !url_parse(http_address(request), &url)) {
    return error_raise(&request->error, ERROR_ARGUMENT, request->subject,
                       "expected an address https://HOST/PATH, found another text");
  }
  bool local = ip_host_is_loopback(url.host, url.host_length);
  if (!url.secure && own.secure) {
    return http_refuse(
        request, ERROR_DENIED,
        "expected to stay with https://, found a redirect to http://%s, where anybody "
        "could read along",
        &url);
  }
  if (!url.secure && !local) {
    return http_refuse(request, ERROR_DENIED,
                       "expected https://, found http://%s, where anybody could change what comes",
                       &url);
  }
  bool inside = ip_host_is_special(own.host, own.host_length) || request->inside ||
                (request->trusted && request->final_url == NULL);
  request->transfer.public_only = !inside;
  memory_free(request->proxy);
  if (!proxy_find(&url, &request->proxy)) return error_memory(&request->error);
  if (request->proxy == NULL) return true;
  /* The proxy is the user's own, and looks up the name; its address may be any. */
  if (request->transfer.public_only && ip_host_is_special(url.host, url.host_length)) {
    return http_refuse(request, ERROR_DENIED,
                       "expected a public address, found a redirect to %s, which is a private one",
                       &url);
  }
  request->transfer.public_only = false;
  return true;
}

/* ---- One try ---- */

static bool http_make_texts(HttpRequest *request) {
  if (request->size > 0 && request->range == NULL) {
    request->range = sqlite3_mprintf("%llu-%llu", (sqlite3_uint64)request->begin,
                                     (sqlite3_uint64)(request->begin + request->size - 1));
    if (request->range == NULL) return error_memory(&request->error);
  }
  if (request->match != NULL && request->if_match == NULL) {
    request->if_match = sqlite3_mprintf("If-Match: %s", request->match);
    if (request->if_match == NULL) return error_memory(&request->error);
  }
  if (request->unless != NULL && request->if_none_match == NULL) {
    request->if_none_match = sqlite3_mprintf("If-None-Match: %s", request->unless);
    if (request->if_none_match == NULL) return error_memory(&request->error);
  }
  if (request->signing != NULL && request->signature == NULL) {
    request->signature = sqlite3_mprintf("%s:%s:s3", request->signing, request->region);
    if (request->signature == NULL) return error_memory(&request->error);
  }
  return true;
}

static void http_set_headers(HttpRequest *request) {
  Transfer *transfer = &request->transfer;
  bool own = url_same_origin(request->url, http_address(request));
  size_t count = 0;
  transfer->headers[count++] = "Accept-Encoding: identity";
  transfer->headers[count++] = "User-Agent: sqlite-safetensors";
  if (request->if_match != NULL) transfer->headers[count++] = request->if_match;
  if (request->if_none_match != NULL) transfer->headers[count++] = request->if_none_match;
  if (own && request->secret != NULL) transfer->headers[count++] = request->secret;
  if (own && request->signing != NULL) {
    transfer->headers[count++] = "x-amz-content-sha256: UNSIGNED-PAYLOAD";
    if (request->session != NULL) transfer->headers[count++] = request->session;
  }
  transfer->signing = own ? request->signature : NULL;
  transfer->keys = own ? request->keys : NULL;
}

/* False if it cannot be begun: then its error says why. */
static bool http_begin(Http *http, HttpRequest *request) {
  Transfer *transfer = &request->transfer;
  transfer_clear(transfer);
  memset(transfer, 0, sizeof *transfer);
  if (!http_check_address(request) || !http_make_texts(request)) return false;
  if (http->received >= http->most) {
    return error_raise(&request->error, ERROR_TOO_BIG, request->subject,
                       "expected fewer bytes of the network for a statement, found that it needs "
                       "more: safetensors_config('network_limit', BYTES) allows it");
  }
  if (http->transfers == NULL) http->transfers = transfers_open(request->subject, &request->error);
  if (http->transfers == NULL) return false;
  http_set_headers(request);
  transfer->url = http_address(request);
  transfer->range = request->range;
  transfer->proxy = request->proxy != NULL ? request->proxy : "";
  transfer->head = request->head;
  transfer->most = request->most;
  transfer->connect_seconds = request->connect_seconds > 0 ? request->connect_seconds : 10;
  transfer->stall_seconds = request->stall_seconds > 0 ? request->stall_seconds : 30;
  request->tries++;
  request->begun = clock_monotonic();
  http->requests++;
  http->count++;
  http_append(&http->under_way, request);
  transfers_begin(http->transfers, transfer);
  return true;
}

/* ---- What follows an answer ---- */

static bool http_may_pass(int status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/* Nanoseconds until the next try, or -1 if there is to be none. */
static int64_t http_wait(const HttpRequest *request) {
  uint64_t length;
  const char *text = transfer_header(&request->transfer, "Retry-After", &length);
  int64_t seconds = -1;
  if (request->tries >= HTTP_TRIES) return -1;
  if (text != NULL) seconds = http_wait_retry_after(text, clock_now() / HTTP_SECOND);
  if (seconds < 0) {
    text = transfer_header(&request->transfer, "RateLimit", &length);
    if (text != NULL) seconds = http_wait_rate_limit(text);
  }
  if (seconds < 0) seconds = (int64_t)1 << (request->tries - 1);
  return seconds > HTTP_LONGEST_WAIT ? -1 : seconds * HTTP_SECOND;
}

/* Puts the request back into the queue. False if it has been tried often enough, or if nothing has come for so long that
** another time would be too long. */
static bool http_try_again(Http *http, HttpRequest *request) {
  int64_t now = clock_monotonic(), wait = http_wait(request), again = now - request->begun;
  if (wait < 0) return false;
  if (request->transfer.end == TRANSFER_FAILED &&
      now - request->added + wait + again > HTTP_LONGEST_WAIT * HTTP_SECOND)
    return false;
  request->due = now + wait;
  http_append(&http->waiting, request);
  return true;
}

/* Goes where a redirect points. False if there is an error, or no place to go to. */
static bool http_follow(Http *http, HttpRequest *request) {
  char *location;
  int status = request->transfer.status;
  bool redirects =
      status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  if (!redirects) return false;
  if (!http_header(request, "Location", &location)) return error_memory(&request->error);
  if (location == NULL) return false;
  if (++request->redirects > HTTP_REDIRECTS) {
    memory_free(location);
    return error_raise(&request->error, ERROR_IO, request->subject,
                       "expected at most %d redirects, found more", HTTP_REDIRECTS);
  }
  char *target = url_join(http_address(request), location);
  memory_free(location);
  if (target == NULL) return error_memory(&request->error);
  /* Who is inside a private network, as the user has said, may send us about in it. */
  if (request->trusted && request->final_url == NULL) request->inside = request->transfer.special;
  memory_free(request->final_url);
  request->final_url = target;
  request->due = 0;
  request->tries--; /* this was none */
  http_append(&http->waiting, request);
  return true;
}

static void http_fill_failure(HttpRequest *request) {
  const Transfer *transfer = &request->transfer;
  Url url = {0};
  url_parse(http_address(request), &url);
  switch (transfer->end) {
    case TRANSFER_NO_MEMORY: error_memory(&request->error); return;
    case TRANSFER_REFUSED:
      http_refuse(request, ERROR_DENIED,
                  "expected %s to have a public address, found a private one, which the network is "
                  "not asked for",
                  &url);
      return;
    default: break;
  }
  error_fill(&request->error, ERROR_IO, request->subject, "expected an answer of %.*s, found: %s",
             ERROR_NAME(url.host, url.host_length),
             transfer->message[0] != '\0' ? transfer->message : "none");
}

/* An answer that is packed would not be the bytes that were asked for. */
static bool http_is_packed(HttpRequest *request) {
  uint64_t length;
  const char *text = transfer_header(&request->transfer, "Content-Encoding", &length);
  if (text == NULL || length == 0 || (length == 8 && sqlite3_strnicmp(text, "identity", 8) == 0)) {
    return false;
  }
  error_fill(
      &request->error, ERROR_IO, request->subject,
      "expected the bytes themselves, found an answer that is packed (Content-Encoding: %.*s)",
      ERROR_NAME(text, length));
  return true;
}

/* After a transfer has ended: what is next. */
static void http_settle(Http *http, HttpRequest *request) {
  Transfer *transfer = &request->transfer;
  http_take(&http->under_way, request);
  http->count--;
  http->received += transfer->length;
  bool answered = transfer->end == TRANSFER_ANSWERED || transfer->end == TRANSFER_STOPPED;
  if (!answered) {
    if (transfer->end == TRANSFER_FAILED && http_try_again(http, request)) return;
    http_fill_failure(request);
  } else {
    if (http_follow(http, request)) return;
    if (http_may_pass(transfer->status) && http_try_again(http, request)) return;
    if (request->error.code == ERROR_NONE && transfer->status < 300 && http_is_packed(request)) {
      answered = false;
    }
    request->stopped = transfer->end == TRANSFER_STOPPED;
  }
  if (answered && request->error.code == ERROR_NONE) request->status = transfer->status;
  http_append(&http->ended, request);
}

/* ---- All of them ---- */

/* Begins those that are due, as many as may be under way. Returns when the next one is due, or `until`. */
static int64_t http_begin_due(Http *http, int64_t now, int64_t until) {
  for (HttpRequest *request = http->waiting, *next; request != NULL; request = next) {
    next = request->next;
    if (http->count >= TRANSFER_MOST) break;
    if (request->due > now) {
      if (request->due < until) until = request->due;
      continue;
    }
    http_take(&http->waiting, request);
    if (!http_begin(http, request)) http_append(&http->ended, request);
  }
  return until;
}

static HttpRequest *http_of_transfer(const Http *http, const Transfer *transfer) {
  HttpRequest *request = http->under_way;
  while (request != NULL && &request->transfer != transfer) request = request->next;
  return request;
}

/* One round: begins what is due, and waits a moment for something to happen. False with an error if the wait is to end. */
static bool http_go_on(Http *http, const Asking *asking, Error *error) {
  int64_t now = clock_monotonic(), until = http_begin_due(http, now, now + HTTP_TICK);
  if (http->ended != NULL) return true;
  if (!asking_go_on(asking, error)) return false;
  if (http->under_way == NULL) {
    if (http->waiting != NULL) clock_sleep(until > now ? until - now : 1);
    return true;
  }
  Transfer *transfer = transfers_next(http->transfers, until - now);
  HttpRequest *request = transfer != NULL ? http_of_transfer(http, transfer) : NULL;
  if (request != NULL) http_settle(http, request);
  return true;
}

static bool http_is_idle(const Http *http) {
  return http->waiting == NULL && http->under_way == NULL && http->ended == NULL;
}

bool http_next(Http *http, const Asking *asking, HttpRequest **done, Error *error) {
  *done = NULL;
  while (http->ended == NULL && !http_is_idle(http)) {
    if (!http_go_on(http, asking, error)) return false;
  }
  *done = http->ended;
  if (*done != NULL) http_take(&http->ended, *done);
  return true;
}

bool http_get(Http *http, HttpRequest *request, const Asking *asking, Error *error) {
  http_add(http, request);
  while (!http_take(&http->ended, request)) {
    if (!http_go_on(http, asking, error)) {
      http_abandon(http, request);
      return false;
    }
  }
  if (request->error.code == ERROR_NONE) return true;
  return error_repeat(error, &request->error);
}
