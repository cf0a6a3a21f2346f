/*
** Bytes from the web: requests of HTTP, many at a time, with what every one of them needs. It follows
** redirects, tries again when a server is overloaded or a connection breaks, and asks nobody who must
** not be asked.
**
** WHO IS ASKED. https:// alone, or http:// if the host is this machine itself. From https:// no redirect
** leads to http://. A connection is made to public addresses alone, whatever a name or a redirect
** leads to, unless the request's own address is this machine's or a private one by its text, or is
** `trusted`, because the user's environment names it. A redirect from a trusted server may lead to a
** private address only if that server has one itself. What is secret (`secret`) is sent to the origin of
** the request's own address, and to nobody else.
**
** TRYING AGAIN. After 408, 429, 500, 502, 503, 504 and broken connections, HTTP_TRIES times in all, redirects
** or not: after as long as Retry-After or RateLimit says, else after 1, 2, 4, 8 s. If that is longer than
** HTTP_LONGEST_WAIT, or if it does not help, the answer is what the server said last. A server from which
** nothing comes is left after HTTP_LONGEST_WAIT in all.
*/
#ifndef SAFETENSORS_BASE_HTTP_H
#define SAFETENSORS_BASE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"
#include "base/transfer.h"

enum { HTTP_TRIES = 5, HTTP_REDIRECTS = 10, HTTP_LONGEST_WAIT = 30 /* seconds */ };

/* A request. It starts as {0} with what is asked for, and http_release() releases what it has come to
** own. The texts of the question must outlive it. */
typedef struct HttpRequest {
  /* ---- The question ---- */
  const char *url;
  const char *subject; /* what messages call it: what the user has named */
  const char *secret;  /* a header, "Authorization: Bearer ...", or NULL */
  const char *match;   /* the ETag that the file must have, as the server wrote it, or NULL */
  const char *unless;  /* the ETag with which nothing need come: then the status is 304; or NULL */
  const char *signing, *region,
      *keys;            /* for a signature of Amazon: "aws:amz", or NULL; ID:SECRET */
  const char *session;  /* "X-Amz-Security-Token: ...", or NULL */
  uint64_t begin, size; /* the range of bytes; size 0: everything */
  uint64_t most;        /* the most bytes of the body that are taken, if more come they are left */
  bool head;
  bool trusted;
  long stall_seconds, connect_seconds; /* 0: 30 and 10 */
  void *context;                       /* the caller's own */

  /* ---- The answer ---- */
  int status;      /* of the last answer, or 0 if there is none: then `error` says why */
  bool stopped;    /* the body was longer than `most`, and was not read to its end */
  char *final_url; /* where the answer came from, after redirects; NULL: `url` */
  Error error;
  Transfer transfer; /* its body, and its headers by http_header() */

  /* ---- Private ---- */
  char *range, *if_match, *if_none_match, *proxy, *signature;
  bool
      inside; /* the user's own server has a private address, and so may those that it redirects to */
  int tries, redirects;
  int64_t due, added, begun;
  struct HttpRequest *next;
} HttpRequest;

typedef struct Http Http;

/* A pool of connections, for one thread at a time. What makes requests is looked for when the first one is made; if there is
** nothing, it fails. NULL if memory runs out. */
Http *http_open(void);
void http_close(Http *http); /* may be NULL; abandons all requests */

/* Adds a request to those that are waiting. It must stay where it is until it is returned. */
void http_add(Http *http, HttpRequest *request);

/* Waits for a request to be answered, or to fail, and returns it in *done; NULL if none is left. False
** with an error if `asking` ends the wait; then all requests are still under way. */
bool http_next(Http *http, const Asking *asking, HttpRequest **done, Error *error);

/* Makes one request, whatever else is under way. False with an error if there is no answer, or if `asking` ends the wait. */
bool http_get(Http *http, HttpRequest *request, const Asking *asking, Error *error);

/* Gives up a request. */
void http_abandon(Http *http, HttpRequest *request);

/* Releases the answer. */
void http_release(HttpRequest *request);

/* Begins no request any more when this many further bytes of bodies have come. */
void http_limit(Http *http, uint64_t bytes);

/* How many bytes of bodies have come, with those of answers under way, and how many requests were made, redirects among them. */
uint64_t http_received(const Http *http);
uint64_t http_requests(const Http *http);

/* A copy of the value of a header, to be released with memory_free(). NULL in *value if it has none. False
** if memory runs out. */
bool http_header(const HttpRequest *request, const char *name, char **value);

/* What the server says about a failure: the header X-Error-Message, or the beginning of a body of text,
** on one line, without a full stop. NULL if it says nothing, or if memory runs out. memory_free() releases it. */
char *http_words(const HttpRequest *request);

#endif
