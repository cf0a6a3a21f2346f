/*
** One request of HTTP and its answer, made by a library or program of the system, which does what TLS,
** proxies and the protocol's versions need. For http.c, which is what others use: it follows
** redirects, tries again, and decides who may be asked.
**
** A request is a GET (or HEAD) of one address. Redirects are answers like any others.
*/
#ifndef SAFETENSORS_BASE_TRANSFER_H
#define SAFETENSORS_BASE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How many requests are under way at a time, and connections open. */
enum { TRANSFER_MOST = 32 };

/* Bytes: of the headers of an answer; of what a server says about a failure, which is cut there; of a
** message of ours. */
enum { TRANSFER_MAX_HEADERS = 64 << 10, TRANSFER_MAX_WORDS = 16 << 10, TRANSFER_MESSAGE = 256 };

typedef enum TransferEnd {
  TRANSFER_UNDER_WAY,
  TRANSFER_ANSWERED,  /* the whole answer has come */
  TRANSFER_STOPPED,   /* by us, because the body is not the range that was asked for: see `most` */
  TRANSFER_FAILED,    /* by the network or the server; trying again may help */
  TRANSFER_REFUSED,   /* the server's name leads to an address that is not public */
  TRANSFER_UNTRUSTED, /* TLS: the server cannot prove who it is */
  TRANSFER_HOPELESS,  /* another failure, which will not go away */
  TRANSFER_NO_MEMORY
} TransferEnd;

typedef struct Transfer {
  /* ---- The request: texts that outlive it ---- */
  const char *url;
  const char *headers[8]; /* "Name: value", as many as there are */
  const char *range;      /* "FIRST-LAST", or NULL for everything */
  const char *proxy;      /* its address, or "" for none */
  const char *signing;    /* "aws:amz:REGION:s3" for a signature of Amazon, version 4, or NULL */
  const char *keys;       /* ID:SECRET, for the signature */
  bool head;
  bool public_only;     /* connect to no address that is special: see ip_range.h */
  uint64_t most;        /* more bytes of a body are not taken: the transfer is stopped */
  long connect_seconds; /* until there is a connection */
  long stall_seconds;   /* without a byte */

  /* ---- The answer ---- */
  TransferEnd end;
  int status;
  bool special; /* the address that was connected to, if that is known */
  char *
      header_text; /* lines "Name: value\r\n" of the last answer, with a NUL; NULL if there are none */
  uint32_t header_length;
  unsigned char *body;
  uint64_t length, capacity;
  char message[TRANSFER_MESSAGE]; /* why it failed */

  /* ---- Private ---- */
  int64_t moved; /* when something has come last; 0: nothing has */
  void *handle, *list;
  char words[TRANSFER_MESSAGE]; /* what the library says of a failure */
  struct Transfer *next;
} Transfer;

/* A pool of connections, used by one thread at a time. */
typedef struct Transfers Transfers;

/* NULL with an error about `subject` if memory runs out, or if the system has neither of them: then it
** says what to install. */
Transfers *transfers_open(const char *subject, Error *error);
void transfers_close(Transfers *transfers); /* may be NULL; abandons what is under way */

/* Begins a request, of which at most TRANSFER_MOST may be under way. A failure is its end. */
void transfers_begin(Transfers *transfers, Transfer *transfer);

/* Waits at most `nanoseconds` for something to happen, and returns a request that has ended since, or
** NULL. */
Transfer *transfers_next(Transfers *transfers, int64_t nanoseconds);

/* Ends a request that is under way without an answer. */
void transfers_abandon(Transfers *transfers, Transfer *transfer);

/* Releases the answer. The Transfer can be used again. */
void transfer_clear(Transfer *transfer);

/* The value of a header of the answer, which is `*length` bytes long. NULL if it has none. */
const char *transfer_header(const Transfer *transfer, const char *name, uint64_t *length);

/* ---- For the means: what comes in ---- */

/* Takes a line of the headers, with its line ending. A line "HTTP/..." begins a new answer. False if it
** is to be stopped; then `end` says why. */
bool transfer_take_header(Transfer *transfer, const char *line, uint64_t length);

/* Takes bytes of the body. */
bool transfer_take_body(Transfer *transfer, const void *bytes, uint64_t size);

/* Ends a transfer of which something has come, but nothing more for too long. */
void transfer_watch(Transfer *transfer);

/* ---- For transfer.c: the means that a system has ---- */

/* One way to make requests. Its pool is what the functions above have in a Transfers. */
typedef struct TransferMeans {
  bool (*find)(void);  /* whether it is there */
  void *(*open)(void); /* NULL if memory runs out */
  void (*close)(void *pool);
  void (*begin)(void *pool, Transfer *transfer);
  Transfer *(*next)(void *pool, int64_t nanoseconds);
  void (*abandon)(void *pool, Transfer *transfer);
} TransferMeans;

/* The program curl, for programs that are linked statically, which cannot open a library: a process for each request.
** All that it is told goes through a pipe, as words on its command line can be read by others. It reads no .curlrc. A name
** is looked up here, to see whether its address is public, and curl is told the addresses; that takes as long as the
** system's resolver takes. Not on Windows. */
const TransferMeans *transfer_program(void);

/* Those of this system by number, the best one first; NULL after the last. */
const TransferMeans *transfer_means(unsigned number);

/* What to install, for the message where there is none. */
const char *transfer_advice(void);

#endif
