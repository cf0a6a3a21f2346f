#include "base/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/sqlite.h"

struct Transfers {
  const TransferMeans *means;
  void *pool;
};

Transfers *transfers_open(const char *subject, Error *error) {
  unsigned number = 0;
  const TransferMeans *means = transfer_means(number);
  while (means != NULL && !means->find()) means = transfer_means(++number);
  if (means == NULL) {
    error_fill(error, ERROR_RESOURCE, subject,
               "expected a library to reach the network with, found none: %s", transfer_advice());
    return NULL;
  }
  Transfers *transfers = memory_zeroed(1, sizeof *transfers);
  if (transfers != NULL) {
    transfers->means = means;
    transfers->pool = means->open();
    if (transfers->pool != NULL) return transfers;
  }
  memory_free(transfers);
  error_memory(error);
  return NULL;
}

void transfers_close(Transfers *transfers) {
  if (transfers == NULL) return;
  transfers->means->close(transfers->pool);
  memory_free(transfers);
}

void transfers_begin(Transfers *transfers, Transfer *transfer) {
  transfers->means->begin(transfers->pool, transfer);
}

Transfer *transfers_next(Transfers *transfers, int64_t nanoseconds) {
  return transfers->means->next(transfers->pool, nanoseconds);
}

void transfers_abandon(Transfers *transfers, Transfer *transfer) {
  transfers->means->abandon(transfers->pool, transfer);
}

/* ---- The answer ---- */

static bool transfer_stop(Transfer *transfer, TransferEnd end) {
  transfer->end = end;
  return false;
}

static void transfer_forget_answer(Transfer *transfer) {
  memory_free(transfer->header_text);
  transfer->header_text = NULL;
  transfer->header_length = 0;
  transfer->length = 0;
  transfer->status = 0;
}

void transfer_clear(Transfer *transfer) {
  transfer_forget_answer(transfer);
  memory_free(transfer->body);
  transfer->body = NULL;
  transfer->capacity = 0;
  transfer->end = TRANSFER_UNDER_WAY;
  transfer->message[0] = '\0';
}

/* The status in "HTTP/1.1 206 Partial Content". */
static int transfer_status_of(const char *line, uint64_t length) {
  const char *space = memchr(line, ' ', length);
  int status = 0;
  if (space == NULL) return 0;
  for (const char *at = space + 1; at < line + length && *at >= '0' && *at <= '9'; at++) {
    if (status < 1000) status = status * 10 + (*at - '0');
  }
  return status;
}

bool transfer_take_header(Transfer *transfer, const char *line, uint64_t length) {
  transfer->moved = clock_monotonic();
  if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
    transfer_forget_answer(transfer);
    transfer->status = transfer_status_of(line, length);
    return true;
  }
  uint64_t whole = transfer->header_length + length;
  if (whole > TRANSFER_MAX_HEADERS) {
    sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "headers of more than %d bytes",
                     TRANSFER_MAX_HEADERS);
    return transfer_stop(transfer, TRANSFER_HOPELESS);
  }
  char *text = memory_resize(transfer->header_text, whole + 1, 1);
  if (text == NULL) return transfer_stop(transfer, TRANSFER_NO_MEMORY);
  memcpy(text + transfer->header_length, line, length);
  text[whole] = '\0';
  transfer->header_text = text;
  transfer->header_length = (uint32_t)whole;
  return true;
}

const char *transfer_header(const Transfer *transfer, const char *name, uint64_t *length) {
  size_t size = strlen(name);
  for (const char *line = transfer->header_text; line != NULL && *line != '\0';) {
    const char *end = line + strcspn(line, "\r\n");
    if ((size_t)(end - line) > size && line[size] == ':' &&
        sqlite3_strnicmp(line, name, (int)size) == 0) {
      line += size + 1;
      while (line < end && (*line == ' ' || *line == '\t')) line++;
      while (end > line && (end[-1] == ' ' || end[-1] == '\t')) end--;
      *length = (uint64_t)(end - line);
      return line;
    }
    line = end + strspn(end, "\r\n");
  }
  return NULL;
}

/* What Content-Length says, or UINT64_MAX. */
static uint64_t transfer_announced(const Transfer *transfer) {
  uint64_t length;
  const char *value = transfer_header(transfer, "Content-Length", &length);
  return value != NULL && *value >= '0' && *value <= '9' ? strtoull(value, NULL, 10) : UINT64_MAX;
}

/* How many bytes of the body are kept: of what is no file, the first words. */
static uint64_t transfer_most(const Transfer *transfer) {
  return transfer->status >= 300 ? TRANSFER_MAX_WORDS : transfer->most;
}

/* Room for the whole body is asked for at once if its length is known, and is one that is taken. */
static bool transfer_make_room(Transfer *transfer, uint64_t size) {
  uint64_t needed = transfer->length + size, wanted = needed + needed / 2;
  uint64_t announced = transfer_announced(transfer);
  if (needed <= transfer->capacity) return true;
  if (announced >= needed && announced <= transfer_most(transfer)) wanted = announced;
  unsigned char *body = memory_resize(transfer->body, wanted, 1);
  if (body == NULL) return false;
  transfer->body = body;
  transfer->capacity = wanted;
  return true;
}

bool transfer_take_body(Transfer *transfer, const void *bytes, uint64_t size) {
  bool failure = transfer->status >= 300;
  transfer->moved = clock_monotonic();
  uint64_t room = transfer_most(transfer) - transfer->length;
  uint64_t announced = transfer->length == 0 && !failure ? transfer_announced(transfer) : 0;
  if (!failure && (size > room || (announced != UINT64_MAX && announced > room)))
    return transfer_stop(transfer, TRANSFER_STOPPED);
  bool more = size >= room; /* than is kept of a failure */
  if (more) size = room;
  if (!transfer_make_room(transfer, size)) return transfer_stop(transfer, TRANSFER_NO_MEMORY);
  if (size > 0) memcpy(transfer->body + transfer->length, bytes, size);
  transfer->length += size;
  return !failure || !more || transfer_stop(transfer, TRANSFER_ANSWERED);
}

void transfer_watch(Transfer *transfer) {
  int64_t most = (int64_t)transfer->stall_seconds * 1000000000;
  if (transfer->end != TRANSFER_UNDER_WAY || transfer->moved == 0 ||
      clock_monotonic() - transfer->moved <= most)
    return;
  transfer->end = TRANSFER_FAILED;
  sqlite3_snprintf(TRANSFER_MESSAGE, transfer->message, "nothing more for %ld seconds",
                   transfer->stall_seconds);
}
