/*
** A file at a web address, of which only those bytes are fetched that somebody wants.
**
** What has come is kept in a temporary file as large as the remote one, in which everything else takes no space. So it is
** read, mapped and handed out as a file of this machine is, once a range has been fetched.
**
** Fetching goes in two steps, so that many files can be under way at a time: remote_file_ask() says what is wanted, and
** remote_file_wait() waits for it, while the answers for other files come in as well.
**
** ONE STATE. The first answer says how large the file is and which state it has (ETag, or Last-Modified where there is none).
** Every later request asks for that state (If-Match), and every answer must have it, and the same size: a file that changes
** meanwhile is an error, never a mixture.
**
** What a file was at another time can be offered: its first bytes, with its ETag and size. The first request then says that
** nothing need come if the file is still the same (If-None-Match).
**
** A signed address that a hub redirects to is asked directly from then on. When it has expired, the hub is asked for another
** one, once for each request.
*/
#ifndef SAFETENSORS_MODEL_REMOTE_FILE_H
#define SAFETENSORS_MODEL_REMOTE_FILE_H

#include "base/http.h"

enum {
  REMOTE_FILE_PIECE =
      8 << 20, /* the most bytes of a request, and of a file whose server ignores ranges */
  REMOTE_FILE_PIECES = 4, /* requests that are under way for a file */
};

/* Where a file is, and how it is asked for. */
typedef struct RemotePlace {
  const char *address; /* what messages call it: "hf://...", "https://...", "s3://..." */
  HttpRequest
      question; /* with its `url`, and what each request has: secret, keys, trust, timeouts */
  /* Raises what an answer means that is neither the bytes nor a change of the file. Returns false. */
  bool (*raise)(const void *context, const HttpRequest *request, Error *error);
  const void *context;
  bool is_listed;
  uint64_t size; /* of the file, as a list says, if it is listed */
} RemotePlace;

/* The bytes that may be fetched, over all files. */
typedef struct RemoteBudget {
  uint64_t limit, spent;
} RemoteBudget;

typedef struct RemoteFile RemoteFile;

/* NULL if memory runs out. No request is made. What `place` points to, and the others, outlive it. */
RemoteFile *remote_file_new(Http *http, RemoteBudget *budget, const RemotePlace *place);
void remote_file_free(RemoteFile *file); /* may be NULL; abandons its requests */

/* Tells a file of which nothing has come how large it is, and its first bytes, by somebody who knows. Its state is taken from
** the first answer. False with an error. */
bool remote_file_know(RemoteFile *file, uint64_t size, const unsigned char *bytes, uint64_t length,
                      Error *error);

/* Offers what a file was, of which nothing has come: its size, its ETag, which must be a strong one, and its first bytes. The
** file copies them. False with an error. */
bool remote_file_offer(RemoteFile *file, uint64_t size, const char *etag,
                       const unsigned char *bytes, uint64_t length, Error *error);

/* Whether the file was found to be what was offered. */
bool remote_file_is_same(const RemoteFile *file);

/* Asks for the first bytes, unless something has come or is under way: as many as the caller guesses that it will need, as
** far as the budget goes. They do not come if the file is what was offered. Does not wait. */
void remote_file_begin(RemoteFile *file, uint64_t guess);

/* Asks for bytes that are not there yet, as far as the file goes. Does not wait. */
void remote_file_ask(RemoteFile *file, uint64_t begin, uint64_t size);

/* Whether something that was asked for is under way. */
bool remote_file_is_busy(const RemoteFile *file);

/* Waits until what was asked for is there. False with an error; then it can be asked for again. */
bool remote_file_wait(RemoteFile *file, const Asking *asking, Error *error);

/* Both; asks for `ahead` bytes behind these, too, as far as the budget goes, which it does not wait for. */
bool remote_file_need(RemoteFile *file, uint64_t begin, uint64_t size, uint64_t ahead,
                      const Asking *asking, Error *error);

/* Once something has come. The state is "" if the server gives none. Both belong to the file. */
uint64_t remote_file_size(const RemoteFile *file);
const char *remote_file_state(const RemoteFile *file);

/* The descriptor of the temporary file, which belongs to the RemoteFile; what was not asked for reads as 0. -1 as long as
** nothing has come. */
int remote_file_descriptor(const RemoteFile *file);

#endif
