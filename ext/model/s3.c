#include "model/s3.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "base/url.h"
#include "model/address.h"

enum { S3_MOST = 16 << 20, S3_MAX_OBJECTS = 1 << 22, S3_MAX_PAGES = 1 << 14, S3_MAX_BUCKET = 255 };

bool s3_is_address(const char *path) {
  return strncmp(path, S3_PREFIX, strlen(S3_PREFIX)) == 0;
}

/* ---- Addresses ---- */

/* The parts of "s3://BUCKET/KEY". False if there is no bucket of letters, digits, '.', '-' and '_'. */
static bool s3_split(const char *address, size_t *bucket_length, const char **key) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  const char *bucket = address + strlen(S3_PREFIX);
  *bucket_length = strspn(bucket, letters);
  *key = bucket + *bucket_length;
  if (*bucket_length == 0 || *bucket_length > S3_MAX_BUCKET || bucket[0] == '.') return false;
  if (**key == '\0') return true;
  return *(*key)++ == '/';
}

/* "." and ".." would be taken off on the way, though they are plain names in a store. */
static bool s3_is_plain_key(const char *key) {
  for (const char *at = key; *at != '\0';) {
    size_t length = strcspn(at, "/");
    if ((length == 1 && *at == '.') || (length == 2 && at[0] == '.' && at[1] == '.')) return false;
    at += length + (at[length] == '/');
  }
  return true;
}

static char *s3_compose(const S3Settings *settings, const char *bucket, size_t length,
                        const char *key) {
  bool dotted =
      memchr(bucket, '.', length) != NULL; /* which a certificate for *.s3... does not cover */
  if (settings->endpoint != NULL)
    return sqlite3_mprintf("%s/%.*s/%s", settings->endpoint, (int)length, bucket, key);
  if (dotted)
    return sqlite3_mprintf("https://s3.%s.amazonaws.com/%.*s/%s", settings->region, (int)length,
                           bucket, key);
  return sqlite3_mprintf("https://%.*s.s3.%s.amazonaws.com/%s", (int)length, bucket,
                         settings->region, key);
}

char *s3_url(const S3Api *api, const char *address, Error *error) {
  size_t length;
  const char *key;
  if (!s3_split(address, &length, &key) || !s3_is_plain_key(key)) {
    error_fill(error, ERROR_ARGUMENT, api->path, "expected s3://BUCKET/KEY, found another address");
    return NULL;
  }
  char *escaped = url_escape(key, true);
  char *url = escaped != NULL
                  ? s3_compose(api->settings, address + strlen(S3_PREFIX), length, escaped)
                  : NULL;
  memory_free(escaped);
  if (url == NULL) error_memory(error);
  return url;
}

void s3_prepare(const S3Api *api, HttpRequest *request) {
  request->subject = api->path;
  request->trusted = api->settings->endpoint != NULL;
  if (api->settings->keys == NULL) return;
  request->keys = api->settings->keys;
  request->session = api->settings->session;
  request->signing = "aws:amz";
  request->region = api->settings->region;
}

bool s3_raise(const S3Api *api, const HttpRequest *request, Error *error) {
  char *words = http_words(request);
  const char *before = words != NULL ? ": " : "", *text = words != NULL ? words : "";
  switch (request->status) {
    case 404:
      error_fill(error, ERROR_MISSING, api->path,
                 "expected an object, found none at this address%s%.*s", before,
                 ERROR_NAME(text, strlen(text)));
      break;
    case 301:
    case 307:
      error_fill(
          error, ERROR_ARGUMENT, api->path,
          "expected a bucket in the region %s, found that it is in another one: set AWS_REGION",
          api->settings->region);
      break;
    case 401:
    case 403:
      error_fill(error, ERROR_DENIED, api->path,
                 "expected access to the object, found that the store forbids it%s%.*s: %s", before,
                 ERROR_NAME(text, strlen(text)),
                 api->settings->keys != NULL
                     ? "its owner has to allow it for these keys"
                     : "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile");
      break;
    default:
      error_fill(error, ERROR_IO, api->path,
                 "expected an answer of the store, found status %d%s%.*s", request->status, before,
                 ERROR_NAME(text, strlen(text)));
  }
  memory_free(words);
  return false;
}

/* ---- Lists ---- */

void s3_objects_clear(S3Objects *objects) {
  for (uint64_t i = 0; i < objects->count; i++) {
    memory_free(objects->rows[i].address);
    memory_free(objects->rows[i].etag);
  }
  memory_free(objects->rows);
  *objects = (S3Objects){0};
}

/* A part of a document of XML. The store writes plain elements, without attributes but for the first. */
typedef struct S3Part {
  const char *text;
  uint64_t length;
} S3Part;

/* Takes the text between <NAME> and </NAME>, and moves `rest` behind it. */
static bool s3_take_element(S3Part *rest, const char *name, S3Part *content) {
  char open[64], close[64];
  sqlite3_snprintf(sizeof open, open, "<%s>", name);
  sqlite3_snprintf(sizeof close, close, "</%s>", name);
  const char *start = memory_find(rest->text, rest->length, open, strlen(open));
  if (start == NULL) return false;
  start += strlen(open);
  uint64_t left = rest->length - (uint64_t)(start - rest->text);
  const char *end = memory_find(start, left, close, strlen(close));
  if (end == NULL) return false;
  *content = (S3Part){start, (uint64_t)(end - start)};
  rest->text = end + strlen(close);
  rest->length = left - content->length - strlen(close);
  return true;
}

/* Writes a character below 0x110000 as UTF-8, and returns how many bytes that takes. */
static size_t s3_put_character(char *out, unsigned long code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned first[] = {0, 0xc0, 0xe0, 0xf0};
  out[0] = (char)(first[more] | code >> (6 * more));
  for (size_t i = 1; i <= more; i++) out[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
  return more + 1;
}

/* Reads "&NAME;", "&#NUMBER;" or "&#xNUMBER;" at *in, which moves behind it. False if there is none of them. */
static bool s3_take_entity(const char **in, char **out) {
  static const struct {
    const char *name;
    unsigned long code;
  } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  unsigned long code = 0;
  const char *end = NULL;
  for (size_t i = 0; end == NULL && i < sizeof entities / sizeof entities[0]; i++) {
    if (strncmp(*in, entities[i].name, strlen(entities[i].name)) != 0) continue;
    code = entities[i].code;
    end = *in + strlen(entities[i].name);
  }
  if (end == NULL && (*in)[0] == '&' && (*in)[1] == '#') {
    bool hexadecimal = (*in)[2] == 'x';
    const char *digits = *in + 2 + hexadecimal;
    char *behind;
    code = strtoul(digits, &behind, hexadecimal ? 16 : 10);
    if (behind > digits && *behind == ';' && code > 0 && code < 0x110000) end = behind + 1;
  }
  if (end == NULL) return false;
  *out += s3_put_character(*out, code); /* shorter than the entity */
  *in = end;
  return true;
}

/* A copy in which entities are what they stand for. */
static char *s3_copy_text(S3Part part) {
  char *copy = memory_copy_text(part.text, part.length), *out = copy;
  for (const char *in = copy; in != NULL && *in != '\0';) {
    if (*in != '&' || !s3_take_entity(&in, &out)) *out++ = *in++;
  }
  if (copy != NULL) *out = '\0';
  return copy;
}

static bool s3_add_object(const S3Api *api, const char *bucket, size_t bucket_length, S3Part entry,
                          bool escaped, S3Objects *objects, Error *error) {
  S3Part rest = entry, key, size, etag = {"", 0};
  if (!s3_take_element(&rest, "Key", &key)) return true;
  rest = entry;
  if (!s3_take_element(&rest, "Size", &size)) return true;
  rest = entry;
  s3_take_element(&rest, "ETag", &etag);
  if (objects->count >= S3_MAX_OBJECTS) {
    return error_raise(error, ERROR_TOO_BIG, api->path, "expected at most %d objects, found more",
                       S3_MAX_OBJECTS);
  }
  if (!memory_reserve((void **)&objects->rows, &objects->capacity, objects->count,
                      sizeof *objects->rows))
    return error_memory(error);
  S3Object *object = &objects->rows[objects->count++];
  *object = (S3Object){.size = strtoull(size.text, NULL, 10), .etag = s3_copy_text(etag)};
  char *name = s3_copy_text(key);
  if (name != NULL && escaped) address_decode(name);
  if (name != NULL)
    object->address = sqlite3_mprintf("%s%.*s/%s", S3_PREFIX, (int)bucket_length, bucket, name);
  memory_free(name);
  return (object->address != NULL && object->etag != NULL) || error_memory(error);
}

/* Reads a page. Sets *token to that of the next one, or to NULL if it is the last. */
static bool s3_read_page(const S3Api *api, const char *bucket, size_t bucket_length,
                         const HttpRequest *request, S3Objects *objects, char **token,
                         Error *error) {
  const Transfer *transfer = &request->transfer;
  S3Part whole = {transfer->length > 0 ? (const char *)transfer->body : "", transfer->length},
         rest = whole, entry;
  bool good = true;
  *token = NULL;
  if (memory_find(whole.text, whole.length, "<ListBucketResult", 17) == NULL) {
    return error_raise(error, ERROR_INVALID, api->path,
                       "expected a list of objects, found another answer");
  }
  /* Not every store does what encoding-type asks for. */
  bool escaped = memory_find(whole.text, whole.length, "<EncodingType>url<", 18) != NULL;
  while (good && s3_take_element(&rest, "Contents", &entry)) {
    good = s3_add_object(api, bucket, bucket_length, entry, escaped, objects, error);
  }
  rest = whole;
  if (!good || !s3_take_element(&rest, "NextContinuationToken", &entry) || entry.length == 0)
    return good;
  *token = s3_copy_text(entry);
  return *token != NULL || error_memory(error);
}

/* The query of a page, its parameters in the order in which the signature wants them. */
static char *s3_page_url(const char *base, const char *prefix, const char *token) {
  char *escaped = url_escape(prefix, false),
       *next = token != NULL ? url_escape(token, false) : NULL, *url = NULL;
  if (escaped != NULL && (token == NULL || next != NULL)) {
    url = sqlite3_mprintf("%s?%s%s%sencoding-type=url&list-type=2&prefix=%s", base,
                          next != NULL ? "continuation-token=" : "", next != NULL ? next : "",
                          next != NULL ? "&" : "", escaped);
  }
  memory_free(escaped);
  memory_free(next);
  return url;
}

static bool s3_list_page(const S3Api *api, const char *url, const char *bucket,
                         size_t bucket_length, S3Objects *objects, char **token, Error *error) {
  HttpRequest request = {.url = url, .most = S3_MOST};
  *token = NULL;
  s3_prepare(api, &request);
  bool good = http_get(api->http, &request, api->asking, error);
  if (good && request.status != 200) good = s3_raise(api, &request, error);
  good = good && s3_read_page(api, bucket, bucket_length, &request, objects, token, error);
  http_release(&request);
  return good;
}

bool s3_list(const S3Api *api, const char *prefix, S3Objects *objects, Error *error) {
  size_t length;
  const char *key, *bucket = prefix + strlen(S3_PREFIX);
  if (!s3_split(prefix, &length, &key)) {
    return error_raise(error, ERROR_ARGUMENT, api->path,
                       "expected s3://BUCKET/KEY, found another address");
  }
  char *base = s3_compose(api->settings, bucket, length, ""), *token = NULL;
  bool good = base != NULL || error_memory(error), more = good;
  for (int page = 1; good && more; page++) {
    char *next = NULL, *url = s3_page_url(base, key, token);
    good = url != NULL ? s3_list_page(api, url, bucket, length, objects, &next, error)
                       : error_memory(error);
    more = next != NULL;
    if (more && (page == S3_MAX_PAGES || (token != NULL && strcmp(token, next) == 0))) {
      good = error_raise(error, ERROR_TOO_BIG, api->path,
                         "expected a list of at most %d pages, found more", S3_MAX_PAGES);
    }
    memory_free(url);
    memory_free(token);
    token = next;
  }
  memory_free(token);
  memory_free(base);
  return good;
}
