#include "loopback_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

enum { MOST_REQUEST = 8192, MOST_ANSWER = 4096 };

/* A file: its name at the hub or in the store, and where it is. */
typedef struct ServedFile {
  const char *name, *path;
  unsigned char *bytes;
  size_t size;
} ServedFile;

static ServedFile files[] = {
    {"model.safetensors.index.json",
     "hub/models--o--n/snapshots/c0ffee/model.safetensors.index.json", NULL, 0},
    {"sub/1.safetensors", "plain", NULL, 0},
    {"2.safetensors", "tricky", NULL, 0},
    {"config.json", "claims/model.sig", NULL, 0},
    {"run/1/x.safetensors", "plain", NULL, 0},
    {"run/2/x.safetensors", "other", NULL, 0},
    {"bad", "bad_entry", NULL, 0},
};

enum { FILES = sizeof files / sizeof files[0], IN_REPOSITORY = 4 };

static char address[64];
static int listening;

static void read_files(void) {
  for (int i = 0; i < FILES; i++) {
    FILE *file = fopen(files[i].path, "rb");
    files[i].bytes = malloc(1 << 16);
    if (file == NULL || files[i].bytes == NULL) stop(files[i].path);
    files[i].size = fread(files[i].bytes, 1, 1 << 16, file);
    fclose(file);
  }
}

static const ServedFile *find_file(const char *name, size_t length) {
  for (int i = 0; i < FILES; i++) {
    if (strlen(files[i].name) == length && strncmp(files[i].name, name, length) == 0)
      return &files[i];
  }
  return NULL;
}

static bool send_all(int to, const void *bytes, size_t size) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t sent = send(to, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= (size_t)sent;
  }
  return true;
}

static bool answer(int to, const char *status, const char *headers, const void *body, size_t size) {
  char head[1024];
  int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                        headers, size);
  return send_all(to, head, (size_t)length) && send_all(to, body, size);
}

static bool answer_file(int to, const ServedFile *file, const char *request, bool changes) {
  static _Atomic(unsigned) states;
  char headers[256];
  unsigned long long first = 0, last = 0;
  const char *range = strstr(request, "Range: bytes=");
  unsigned state = changes ? ++states : 0;
  if (file == NULL) return answer(to, "404 Not Found", "X-Error-Code: EntryNotFound\r\n", "", 0);
  if (range == NULL || sscanf(range, "Range: bytes=%llu-%llu", &first, &last) != 2) {
    return answer(to, "200 OK", "ETag: \"whole\"\r\n", file->bytes, file->size);
  }
  if (changes) last = first + 99 < last ? first + 99 : last;
  if (last >= file->size) last = file->size - 1;
  if (first > last) return answer(to, "416 No", "", "", 0);
  snprintf(headers, sizeof headers, "ETag: \"v%u\"\r\nContent-Range: bytes %llu-%llu/%zu\r\n",
           state, first, last, file->size);
  return answer(to, "206 Partial Content", headers, file->bytes + first,
                (size_t)(last - first + 1));
}

static bool answer_tree(int to, bool second) {
  char body[MOST_ANSWER], link[256] = "";
  int length = 0, begin = second ? 2 : 0;
  for (int i = begin; i < begin + 2; i++) {
    length +=
        snprintf(body + length, sizeof body - (size_t)length,
                 "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%zu,\"lfs\":{\"oid\":\"%064d\"}}",
                 i > begin ? "," : "[", files[i].name, files[i].size, i);
  }
  body[length++] = ']';
  if (!second) {
    snprintf(link, sizeof link, "Link: <%s/api/models/o/r/tree/%s?page=2>; rel=\"next\"\r\n",
             address, LOOPBACK_COMMIT);
  }
  return answer(to, "200 OK", link, body, (size_t)length);
}

static bool answer_objects(int to) {
  char body[MOST_ANSWER];
  int length = snprintf(body, sizeof body, "<ListBucketResult xmlns=\"x\">");
  for (int i = IN_REPOSITORY; i < IN_REPOSITORY + 2; i++) {
    length +=
        snprintf(body + length, sizeof body - (size_t)length,
                 "<Contents><Key>%s</Key><ETag>&quot;v0&quot;</ETag><Size>%zu</Size></Contents>",
                 files[i].name, files[i].size);
  }
  length += snprintf(body + length, sizeof body - (size_t)length, "</ListBucketResult>");
  return answer(to, "200 OK", "", body, (size_t)length);
}

static bool answer_request(int to, const char *request) {
  static const char resolve[] = "/o/r/resolve/" LOOPBACK_COMMIT "/", web[] = "/web/",
                    store[] = "/store/b/";
  static const char sha[] = "{\"sha\":\"" LOOPBACK_COMMIT "\"}";
  const char *path = request + 4;
  size_t length = strcspn(path, " ?");
  if (strncmp(path, "/api/models/o/r/revision/", 25) == 0)
    return answer(to, "200 OK", "", sha, sizeof sha - 1);
  if (strncmp(path, "/api/models/o/r/tree/", 21) == 0)
    return answer_tree(to, strncmp(path + length, "?page=2", 7) == 0);
  if (strncmp(path, resolve, sizeof resolve - 1) == 0) {
    char headers[256];
    snprintf(headers, sizeof headers, "Location: /web/%.*s\r\n", (int)(length - sizeof resolve + 1),
             path + sizeof resolve - 1);
    return answer(to, "302 Found", headers, "", 0);
  }
  if (strncmp(path, web, sizeof web - 1) == 0) {
    return answer_file(to, find_file(path + sizeof web - 1, length - sizeof web + 1), request,
                       strncmp(path + length, "?change", 7) == 0);
  }
  if (strncmp(path, store, sizeof store - 1) != 0)
    return answer(to, "404 Not Found", "X-Error-Code: RepoNotFound\r\n", "", 0);
  if (length == sizeof store - 1) return answer_objects(to);
  return answer_file(to, find_file(path + sizeof store - 1, length - sizeof store + 1), request,
                     false);
}

/* Answers the requests of one connection. */
static void *serve(void *context) {
  int from = *(int *)context, on = 1;
  setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* an answer is sent in two parts */
  char request[MOST_REQUEST];
  size_t used = 0;
  free(context);
  for (;;) {
    ssize_t got = recv(from, request + used, sizeof request - 1 - used, 0);
    if (got <= 0) break;
    used += (size_t)got;
    request[used] = '\0';
    if (strstr(request, "\r\n\r\n") == NULL) continue;
    if (!answer_request(from, request)) break;
    used = 0;
  }
  close(from);
  return NULL;
}

static void *accept_all(void *unused) {
  (void)unused;
  for (;;) {
    int *connection = malloc(sizeof *connection);
    pthread_t thread;
    if (connection == NULL) stop("malloc");
    *connection = accept(listening, NULL, NULL);
    if (*connection < 0 || pthread_create(&thread, NULL, serve, connection) != 0) stop("accept");
    pthread_detach(thread);
  }
  return NULL;
}

const char *loopback_server_start(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  pthread_t thread;
  read_files();
  listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (struct sockaddr *)&at, size) != 0 ||
      listen(listening, 64) != 0 || getsockname(listening, (struct sockaddr *)&at, &size) != 0 ||
      pthread_create(&thread, NULL, accept_all, NULL) != 0)
    stop("a server on loopback");
  pthread_detach(thread);
  snprintf(address, sizeof address, "http://127.0.0.1:%d", ntohs(at.sin_port));
  return address;
}
