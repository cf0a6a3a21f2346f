#include "model/remote_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/byte_ranges.h"
#include "base/file.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/temporary.h"
#include "base/url.h"

/* A range that is being fetched. */
typedef struct RemotePiece {
  HttpRequest request; /* its context is the file */
  bool under_way;
  bool renewed; /* the address has expired once */
} RemotePiece;

/* What the file was at another time. */
typedef struct RemoteOffer {
  char *etag; /* NULL if there is none */
  unsigned char *bytes;
  uint64_t length, size;
} RemoteOffer;

struct RemoteFile {
  Http *http;
  RemoteBudget *budget;
  RemotePlace place;
  uint64_t size;   /* UINT64_MAX as long as it is not known */
  char *etag;      /* NULL if there is none, or a weak one, which cannot be asked for */
  char *state;     /* ETag or Last-Modified; NULL if there is none */
  char *direct;    /* where the bytes come from, if the place redirects there */
  bool identified; /* the state is known */
  bool same;       /* it is what was offered */
  RemoteOffer offer;
  int descriptor;
  ByteRanges there, wanted; /* what has come, and what was asked for */
  uint64_t pending;         /* bytes of the pieces that are under way */
  RemotePiece pieces[REMOTE_FILE_PIECES];
  Error error;
};

RemoteFile *remote_file_new(Http *http, RemoteBudget *budget, const RemotePlace *place) {
  RemoteFile *file = memory_zeroed(1, sizeof *file);
  if (file == NULL) return NULL;
  *file = (RemoteFile){
      .http = http, .budget = budget, .place = *place, .size = UINT64_MAX, .descriptor = -1};
  return file;
}

static void remote_file_end_piece(RemoteFile *file, RemotePiece *piece) {
  if (piece->under_way) file->pending -= piece->request.size;
  piece->under_way = false;
  http_release(&piece->request);
}

static void remote_file_abandon(RemoteFile *file) {
  for (int i = 0; i < REMOTE_FILE_PIECES; i++) {
    if (file->pieces[i].under_way) http_abandon(file->http, &file->pieces[i].request);
    remote_file_end_piece(file, &file->pieces[i]);
  }
  byte_ranges_clear(&file->wanted);
}

static void remote_file_forget_offer(RemoteFile *file) {
  memory_free(file->offer.etag);
  memory_free(file->offer.bytes);
  file->offer = (RemoteOffer){0};
}

void remote_file_free(RemoteFile *file) {
  if (file == NULL) return;
  remote_file_abandon(file);
  if (file->descriptor >= 0) file_close(file->descriptor);
  byte_ranges_clear(&file->there);
  error_clear(&file->error);
  remote_file_forget_offer(file);
  memory_free(file->etag);
  memory_free(file->state);
  memory_free(file->direct);
  memory_free(file);
}

uint64_t remote_file_size(const RemoteFile *file) {
  return file->size;
}

const char *remote_file_state(const RemoteFile *file) {
  return file->state != NULL ? file->state : "";
}

int remote_file_descriptor(const RemoteFile *file) {
  return file->descriptor;
}

/* ---- Asking ---- */

static uint64_t remote_file_budget_left(const RemoteFile *file) {
  const RemoteBudget *budget = file->budget;
  uint64_t left = budget->spent < budget->limit ? budget->limit - budget->spent : 0;
  return file->pending < left ? left - file->pending : 0;
}

static bool remote_file_within_budget(RemoteFile *file, uint64_t size) {
  if (size <= remote_file_budget_left(file)) return true;
  return error_raise(
      &file->error, ERROR_TOO_BIG, file->place.address,
      "expected at most %llu bytes of the network for a statement, found that it needs more: "
      "safetensors_config('network_limit', BYTES) allows it",
      (unsigned long long)file->budget->limit);
}

static void remote_file_send(RemoteFile *file, RemotePiece *piece, uint64_t begin, uint64_t size) {
  HttpRequest *request = &piece->request;
  bool direct = file->direct != NULL;
  *request = file->place.question;
  if (direct) {
    bool own = url_same_origin(file->direct, request->url);
    request->url = file->direct;
    if (!own) request->secret = request->signing = request->keys = request->session = NULL;
  }
  request->subject = file->place.address;
  request->context = file;
  request->begin = begin;
  request->size = size;
  request->most = REMOTE_FILE_PIECE;
  request->match = file->etag;
  request->unless = file->offer.etag;
  piece->under_way = true;
  file->pending += size;
  http_add(file->http, request);
}

/* The first bytes that are wanted, not there, and not under way. False if there are none. */
static bool remote_file_next(const RemoteFile *file, ByteRange *next) {
  for (uint64_t i = 0; i < file->wanted.count; i++) {
    uint64_t begin = file->wanted.rows[i].begin;
    while (byte_ranges_missing(&file->there, begin, file->wanted.rows[i].end, next)) {
      uint64_t behind = next->begin;
      for (int p = 0; p < REMOTE_FILE_PIECES; p++) {
        const RemotePiece *piece = &file->pieces[p];
        uint64_t piece_begin = piece->request.begin, piece_end = piece_begin + piece->request.size;
        if (!piece->under_way) continue;
        if (piece_begin <= next->begin && next->begin < piece_end) behind = piece_end;
        if (piece_begin > next->begin && piece_begin < next->end) next->end = piece_begin;
      }
      if (behind == next->begin) return true;
      begin = behind;
    }
  }
  return false;
}

/* Sends requests for what is wanted. The first one goes alone: its answer says what the file is. */
static void remote_file_go_on(RemoteFile *file) {
  ByteRange next;
  for (int i = 0; i < REMOTE_FILE_PIECES && file->error.code == ERROR_NONE; i++) {
    if (file->pieces[i].under_way) {
      if (file->size == UINT64_MAX) return;
      continue;
    }
    if (!remote_file_next(file, &next)) return;
    uint64_t size =
        next.end - next.begin < REMOTE_FILE_PIECE ? next.end - next.begin : REMOTE_FILE_PIECE;
    if (!remote_file_within_budget(file, size)) return;
    file->pieces[i].renewed = false;
    remote_file_send(file, &file->pieces[i], next.begin, size);
    if (file->size == UINT64_MAX) return;
  }
}

bool remote_file_is_busy(const RemoteFile *file) {
  for (int i = 0; i < REMOTE_FILE_PIECES; i++) {
    if (file->pieces[i].under_way) return true;
  }
  return false;
}

void remote_file_ask(RemoteFile *file, uint64_t begin, uint64_t size) {
  uint64_t end = size <= UINT64_MAX - begin ? begin + size : UINT64_MAX;
  if (!remote_file_is_busy(file)) error_clear(&file->error);
  if (end > file->size) end = file->size;
  if (!byte_ranges_add(&file->wanted, begin, end)) error_memory(&file->error);
  remote_file_go_on(file);
}

void remote_file_begin(RemoteFile *file, uint64_t guess) {
  uint64_t left = remote_file_budget_left(file);
  if (file->size != UINT64_MAX || remote_file_is_busy(file)) return;
  if (guess > REMOTE_FILE_PIECE) guess = REMOTE_FILE_PIECE;
  remote_file_ask(file, 0, guess <= left || left == 0 ? guess : left);
}

/* ---- Answers ---- */

static bool remote_file_raise_changed(RemoteFile *file) {
  return error_raise(&file->error, ERROR_CHANGED, file->place.address,
                     "expected the file as it was when it was asked for first, found that it has "
                     "changed there: run the statement again");
}

/* "bytes FIRST-LAST/SIZE", or "bytes *\/SIZE", for which *first is UINT64_MAX. */
static bool remote_file_read_range(const char *text, uint64_t *first, uint64_t *last,
                                   uint64_t *size) {
  char *end;
  if (text == NULL || sqlite3_strnicmp(text, "bytes ", 6) != 0) return false;
  text += 6;
  *first = *last = UINT64_MAX;
  if (*text == '*') {
    end = (char *)text + 1;
  } else {
    if (*text < '0' || *text > '9') return false;
    *first = strtoull(text, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9') return false;
    *last = strtoull(end + 1, &end, 10);
  }
  if (*end != '/' || end[1] < '0' || end[1] > '9') return false;
  *size = strtoull(end + 1, &end, 10);
  return *end == '\0' && (*first == UINT64_MAX || (*first <= *last && *last < *size));
}

/* Makes the file that the bytes go to. */
static bool remote_file_set_size(RemoteFile *file, uint64_t size) {
  if (size >= INT64_MAX) {
    return error_raise(&file->error, ERROR_INVALID, file->place.address,
                       "expected a size below 2^63, found %llu", (unsigned long long)size);
  }
  if (file->place.is_listed && size != file->place.size) {
    return error_raise(&file->error, ERROR_INVALID, file->place.address,
                       "expected %llu bytes, as the list of files says, found %llu",
                       (unsigned long long)file->place.size, (unsigned long long)size);
  }
  file->descriptor = temporary_open_file(size, &file->error);
  if (file->descriptor >= 0) file->size = size;
  return file->descriptor >= 0;
}

/* Takes the size and state of the first answer, and compares those of the others. */
static bool remote_file_identify(RemoteFile *file, const HttpRequest *request, uint64_t size) {
  char *etag = NULL, *modified = NULL;
  bool known = file->size != UINT64_MAX;
  if (known && size != file->size) return remote_file_raise_changed(file);
  if (!http_header(request, "ETag", &etag) || !http_header(request, "Last-Modified", &modified)) {
    memory_free(etag);
    return error_memory(&file->error);
  }
  char *state = etag != NULL ? etag : modified;
  memory_free(state == etag ? modified : NULL);
  if (file->identified) {
    bool same = (state == NULL) == (file->state == NULL) &&
                (state == NULL || strcmp(state, file->state) == 0);
    memory_free(state);
    return same || remote_file_raise_changed(file);
  }
  memory_free(file->state); /* of an answer that could not be taken */
  memory_free(file->etag);
  file->state = state;
  file->etag = NULL;
  if (etag != NULL && strncmp(etag, "W/", 2) != 0) {
    file->etag = memory_copy_text(etag, strlen(etag));
    if (file->etag == NULL) return error_memory(&file->error);
  }
  file->identified = known || remote_file_set_size(file, size);
  return file->identified;
}

/* Keeps where the bytes came from. */
static bool remote_file_keep_direct(RemoteFile *file, const HttpRequest *request) {
  if (request->final_url == NULL) return true;
  char *direct = memory_copy_text(request->final_url, strlen(request->final_url));
  if (direct == NULL) return error_memory(&file->error);
  memory_free(file->direct);
  file->direct = direct;
  return true;
}

static bool remote_file_store(RemoteFile *file, uint64_t begin, const unsigned char *bytes,
                              uint64_t length) {
  if (length > 0 &&
      !file_write_at(file->descriptor, file->place.address, bytes, length, begin, &file->error))
    return false;
  return byte_ranges_add(&file->there, begin, begin + length) || error_memory(&file->error);
}

bool remote_file_know(RemoteFile *file, uint64_t size, const unsigned char *bytes, uint64_t length,
                      Error *error) {
  if (remote_file_set_size(file, size) && remote_file_store(file, 0, bytes, length)) return true;
  return error_repeat(error, &file->error);
}

bool remote_file_offer(RemoteFile *file, uint64_t size, const char *etag,
                       const unsigned char *bytes, uint64_t length, Error *error) {
  remote_file_forget_offer(file);
  file->offer = (RemoteOffer){.etag = memory_copy_text(etag, strlen(etag)),
                              .bytes = memory_alloc(length),
                              .length = length,
                              .size = size};
  if (file->offer.etag == NULL || file->offer.bytes == NULL) {
    remote_file_forget_offer(file);
    return error_memory(error);
  }
  if (length > 0) memcpy(file->offer.bytes, bytes, length);
  return true;
}

bool remote_file_is_same(const RemoteFile *file) {
  return file->same;
}

/* The file is still what was offered. What else was asked for was a guess. */
static bool remote_file_take_offer(RemoteFile *file, const HttpRequest *request) {
  const RemoteOffer *offer = &file->offer;
  uint64_t length;
  const char *etag = transfer_header(&request->transfer, "ETag", &length);
  if (etag != NULL && (length != strlen(offer->etag) || memcmp(etag, offer->etag, length) != 0))
    return remote_file_raise_changed(file);
  file->etag = memory_copy_text(offer->etag, strlen(offer->etag));
  file->state = memory_copy_text(offer->etag, strlen(offer->etag));
  if (file->etag == NULL || file->state == NULL) return error_memory(&file->error);
  byte_ranges_clear(&file->wanted);
  file->identified = file->same = true;
  return remote_file_set_size(file, offer->size) &&
         remote_file_store(file, 0, offer->bytes, offer->length) &&
         remote_file_keep_direct(file, request);
}

/* A part of the file, as it was asked for. */
static bool remote_file_take_part(RemoteFile *file, const HttpRequest *request) {
  const Transfer *transfer = &request->transfer;
  uint64_t first, last, size, wanted = request->begin + request->size;
  char *text;
  if (!http_header(request, "Content-Range", &text)) return error_memory(&file->error);
  bool good = remote_file_read_range(text, &first, &last, &size) && first == request->begin &&
              last < wanted && transfer->length == last - first + 1 &&
              (last + 1 == wanted || last + 1 == size);
  if (!good) {
    error_fill(&file->error, ERROR_IO, file->place.address,
               "expected the bytes %llu to %llu, found \"%.*s\" and %llu bytes",
               (unsigned long long)request->begin, (unsigned long long)(wanted - 1),
               ERROR_NAME(text != NULL ? text : "", text != NULL ? strlen(text) : 0),
               (unsigned long long)transfer->length);
  }
  memory_free(text);
  return good && remote_file_identify(file, request, size) &&
         remote_file_store(file, first, transfer->body, transfer->length);
}

/* The whole file, by a server that does not know ranges. */
static bool remote_file_take_whole(RemoteFile *file, const HttpRequest *request) {
  const Transfer *transfer = &request->transfer;
  if (request->stopped) {
    return error_raise(&file->error, ERROR_IO, file->place.address,
                       "expected a server that gives parts of a file, found one that gives it "
                       "whole, and it is larger than %d MB: "
                       "download it",
                       REMOTE_FILE_PIECE >> 20);
  }
  return remote_file_identify(file, request, transfer->length) &&
         remote_file_store(file, 0, transfer->body, transfer->length);
}

/* A range behind the end of the file. */
static bool remote_file_take_nothing(RemoteFile *file, const HttpRequest *request) {
  uint64_t first, last, size;
  char *text;
  if (!http_header(request, "Content-Range", &text)) return error_memory(&file->error);
  bool good = remote_file_read_range(text, &first, &last, &size) && size <= request->begin;
  memory_free(text);
  if (file->size != UINT64_MAX) return remote_file_raise_changed(file);
  return good ? remote_file_identify(file, request, size)
              : file->place.raise(file->place.context, request, &file->error);
}

static bool remote_file_take_answer(RemoteFile *file, const HttpRequest *request) {
  if (request->error.code != ERROR_NONE) return error_repeat(&file->error, &request->error);
  switch (request->status) {
    case 206: return remote_file_take_part(file, request) && remote_file_keep_direct(file, request);
    case 200:
      return remote_file_take_whole(file, request) && remote_file_keep_direct(file, request);
    case 304:
      if (request->unless != NULL) return remote_file_take_offer(file, request);
      return file->place.raise(file->place.context, request, &file->error);
    case 412: return remote_file_raise_changed(file);
    case 416: return remote_file_take_nothing(file, request);
    default: return file->place.raise(file->place.context, request, &file->error);
  }
}

/* Whether a signed address has expired, so that the place itself should be asked. */
static bool remote_file_has_expired(const RemoteFile *file, const RemotePiece *piece) {
  const HttpRequest *request = &piece->request;
  bool signed_address = request->final_url != NULL || request->url != file->place.question.url;
  return !piece->renewed && signed_address && request->error.code == ERROR_NONE &&
         (request->status == 400 || request->status == 401 || request->status == 403 ||
          request->status == 404);
}

/* What is wanted goes no further than the file. */
static void remote_file_clip(RemoteFile *file) {
  ByteRanges *wanted = &file->wanted;
  while (wanted->count > 0 && wanted->rows[wanted->count - 1].begin >= file->size) wanted->count--;
  if (wanted->count > 0 && wanted->rows[wanted->count - 1].end > file->size)
    wanted->rows[wanted->count - 1].end = file->size;
}

static void remote_file_take(RemoteFile *file, HttpRequest *request) {
  RemotePiece *piece = file->pieces;
  while (&piece->request != request) piece++;
  uint64_t begin = request->begin, size = request->size;
  file->budget->spent += request->transfer.length;
  bool expired = remote_file_has_expired(file, piece);
  if (!expired && file->error.code == ERROR_NONE) remote_file_take_answer(file, request);
  remote_file_end_piece(file, piece);
  if (expired) {
    memory_free(file->direct);
    file->direct = NULL;
    piece->renewed = true;
    remote_file_send(file, piece, begin, size);
    return;
  }
  if (file->size != UINT64_MAX) {
    remote_file_forget_offer(file);
    remote_file_clip(file);
  }
  if (file->error.code == ERROR_NONE) remote_file_go_on(file);
}

/* Waits for the next answer, of this or another file. */
static bool remote_file_wait_once(RemoteFile *file, const Asking *asking, Error *error) {
  HttpRequest *done;
  if (!http_next(file->http, asking, &done, error)) {
    remote_file_abandon(file);
    return false;
  }
  if (done != NULL) remote_file_take(done->context, done);
  return true;
}

bool remote_file_wait(RemoteFile *file, const Asking *asking, Error *error) {
  while (remote_file_is_busy(file)) {
    if (!remote_file_wait_once(file, asking, error)) return false;
  }
  byte_ranges_clear(&file->wanted);
  return file->error.code == ERROR_NONE || error_repeat(error, &file->error);
}

/* Whether bytes are there, as far as the file goes. */
static bool remote_file_has(const RemoteFile *file, uint64_t begin, uint64_t size) {
  ByteRange missing;
  if (file->size == UINT64_MAX) return false;
  uint64_t end = size < file->size && begin < file->size - size ? begin + size : file->size;
  return !byte_ranges_missing(&file->there, begin, end, &missing);
}

bool remote_file_need(RemoteFile *file, uint64_t begin, uint64_t size, uint64_t ahead,
                      const Asking *asking, Error *error) {
  uint64_t left = remote_file_budget_left(file);
  if (ahead > 0 && (left < size || left - size < ahead)) ahead = left > size ? left - size : 0;
  if (ahead == 0 && remote_file_has(file, begin, size)) return true;
  remote_file_ask(file, begin, size + ahead);
  while (!remote_file_has(file, begin, size) && remote_file_is_busy(file)) {
    if (!remote_file_wait_once(file, asking, error)) return false;
  }
  if (!remote_file_is_busy(file)) byte_ranges_clear(&file->wanted);
  return remote_file_has(file, begin, size) || error_repeat(error, &file->error);
}
