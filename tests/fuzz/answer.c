/*
** The attack: answers of a server that wants to send us to another one, to make us wait, to be believed, or to write on a
** terminal; and addresses that one program reads in one way and another in another way.
**
** The input is HEADERS, BODY, ADDRESS and REFERENCE, with separators between them.
*/
#include <arpa/inet.h>

#include "base/http.h"
#include "base/http_wait.h"
#include "base/ip_range.h"
#include "base/url.h"
#include "fuzz.h"
#include "model/hub_api.h"
#include "model/s3.h"

static char *text_of(Part part) {
  return memory_copy_text(part.text, part.length);
}

/* Whoever reads a host as a number reads the same one as we do. */
static void check_host(const char *address) {
  Url url;
  struct in_addr number;
  unsigned char ours[IP_V6_SIZE];
  if (!url_parse(address, &url)) return;
  REQUIRE(url.host_length > 0 && url.port > 0);
  REQUIRE(url.path >= url.host + url.host_length);
  REQUIRE(memchr(url.host, '@', url.host_length) == NULL);
  char *host = memory_copy_text(url.host, url.host_length);
  REQUIRE(host != NULL);
  if (inet_aton(host, &number) != 0) {
    REQUIRE(ip_parse(host, url.host_length, ours) == IP_V4_SIZE);
    REQUIRE(memcmp(ours, &number, IP_V4_SIZE) == 0);
    REQUIRE(ip_host_is_special(host, url.host_length) == ip_is_special(ours, IP_V4_SIZE));
  }
  memory_free(host);
  REQUIRE(url_same_origin(address, address));
}

/* A reference without a host of its own leads nowhere else. */
static void check_join(const char *base, const char *reference) {
  Url before, after;
  char *joined = url_join(base, reference);
  REQUIRE(joined != NULL);
  check_host(joined);
  bool names_host = strncmp(reference, "//", 2) == 0 || strchr(reference, ':') != NULL;
  if (!names_host && url_parse(base, &before) && url_parse(joined, &after)) {
    REQUIRE(url_same_origin(base, joined));
  }
  memory_free(joined);
}

static void take_headers(Transfer *transfer, Part headers) {
  while (headers.length > 0) {
    const char *end = memchr(headers.text, '\n', headers.length);
    size_t length = end != NULL ? (size_t)(end - headers.text) + 1 : headers.length;
    if (!transfer_take_header(transfer, headers.text, length)) return;
    headers.text += length;
    headers.length -= length;
  }
}

static void check_answer(HttpRequest *request) {
  static const HubSettings settings = {.endpoint = (char *)"https://hub"};
  static const S3Settings store = {.region = (char *)"us-east-1"};
  const HubApi hub = {.settings = &settings, .kind = "models", .name = "o/n", .path = "hf://o/n"};
  const S3Api s3 = {.settings = &store, .path = "s3://b/k"};
  Error error = {0};
  uint64_t length;
  const char *wait = transfer_header(&request->transfer, "Retry-After", &length);
  if (wait != NULL) REQUIRE(http_wait_retry_after(wait, 0) >= -1);
  wait = transfer_header(&request->transfer, "RateLimit", &length);
  if (wait != NULL) REQUIRE(http_wait_rate_limit(wait) >= -1);
  require_outcome(hub_api_raise(&hub, request, &error), &error);
  require_outcome(s3_raise(&s3, request, &error), &error);
  memory_free(http_words(request));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sqlite3_int64 before = sqlite3_memory_used();
  Part rest = {(const char *)data, size};
  Part headers = take_part(&rest), body = take_part(&rest), address = take_part(&rest);
  HttpRequest request = {.url = "https://hub/x", .subject = "it", .transfer = {.most = 1000}};
  char *base = text_of(address), *reference = text_of(rest);
  REQUIRE(base != NULL && reference != NULL);
  take_headers(&request.transfer, headers);
  transfer_take_body(&request.transfer, body.text, body.length);
  REQUIRE(request.transfer.length <= (request.transfer.status >= 300 ? TRANSFER_MAX_WORDS : 1000));
  request.status = request.transfer.status;
  check_answer(&request);
  check_host(base);
  check_join(base, reference);
  http_release(&request);
  memory_free(base);
  memory_free(reference);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
