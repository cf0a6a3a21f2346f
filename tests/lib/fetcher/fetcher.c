/* Asks for addresses of the web, all at once, and prints a line of JSON for each as it is answered.
**
**     fetcher [OPTION...] URL...
**
** --range BEGIN+SIZE, --most BYTES, --secret HEADER, --match ETAG, --head, --trusted, --stall SECONDS, --connect SECONDS,
** --keys ID:SECRET (signed for S3, in us-east-1) hold for all. --repository KIND NAME REVISION asks the hub of the environment
** for the commit and the files of a repository instead, --objects s3://BUCKET/PREFIX a store for its objects, and --object
** s3://BUCKET/KEY for the first bytes of one. --network MODE LIMIT WORD... asks by model/network.c: pin ADDRESS, list
** ADDRESS, header ADDRESS, BEGIN+SIZE ADDRESS, period. --files LIMIT BEGIN+SIZE... URL... fetches these ranges of files as
** model/remote_file.c does, of all of them at a time. --interrupt SECONDS ends the wait after them. --fork asks
** once, forks, and asks again in the child. The environment variable FETCHER_PRINTS_BODY has the bodies printed, too. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/http.h"
#include "base/memory.h"
#include "model/hub_api.h"
#include "model/network.h"
#include "model/remote_file.h"
#include "model/s3.h"

static HttpRequest question = {.most = UINT64_MAX};
static int64_t deadline = INT64_MAX;
static bool forks;

static bool go_on(void *context, Error *error) {
  (void)context;
  return clock_monotonic() < deadline ||
         error_raise(error, ERROR_INTERRUPT, "fetcher", "interrupted");
}

static void print_text(const char *name, const char *text, uint64_t length) {
  char *quoted = text != NULL ? sqlite3_mprintf("%.*s", (int)length, text) : NULL;
  printf(", \"%s\": ", name);
  if (text == NULL) {
    printf("null");
  } else {
    putchar('"');
    for (const char *at = quoted; *at != '\0'; at++) {
      if (*at == '"' || *at == '\\') putchar('\\');
      if ((unsigned char)*at >= ' ') putchar(*at);
    }
    putchar('"');
  }
  sqlite3_free(quoted);
}

static void print(const HttpRequest *request) {
  static const char *const names[] = {"ETag", "Content-Range", "Link"};
  const Transfer *transfer = &request->transfer;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < transfer->length; i++) sum += transfer->body[i];
  printf("{\"status\": %d, \"stopped\": %d, \"length\": %llu, \"sum\": %llu", request->status,
         request->stopped, (unsigned long long)transfer->length, (unsigned long long)sum);
  print_text("url", request->url, strlen(request->url));
  if (request->final_url != NULL)
    print_text("final", request->final_url, strlen(request->final_url));
  if (request->error.code != ERROR_NONE)
    print_text("error", request->error.message, strlen(request->error.message));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    uint64_t length = 0;
    const char *value = transfer_header(transfer, names[i], &length);
    if (value != NULL) print_text(names[i], value, length);
  }
  char *words = request->status >= 400 ? http_words(request) : NULL;
  if (words != NULL) print_text("words", words, strlen(words));
  memory_free(words);
  if (getenv("FETCHER_PRINTS_BODY") != NULL)
    print_text("body", (const char *)transfer->body, transfer->length);
  printf("}\n");
  fflush(stdout);
}

/* Returns whether the argument was an option, with its value. */
static int take_option(char **arguments) {
  const char *name = arguments[0], *value = arguments[1];
  if (strcmp(name, "--head") == 0) return question.head = true;
  if (strcmp(name, "--trusted") == 0) return question.trusted = true;
  if (strcmp(name, "--fork") == 0) return forks = true;
  static const char *const modes[] = {"--repository", "--objects", "--object", "--files",
                                      "--network"};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    if (strcmp(name, modes[i]) == 0) return 0;
  }
  if (strncmp(name, "--", 2) != 0 || value == NULL) return 0;
  if (strcmp(name, "--range") == 0) {
    char *plus;
    question.begin = strtoull(value, &plus, 10);
    question.size = strtoull(plus + 1, NULL, 10);
    if (question.most == UINT64_MAX) question.most = question.size;
  } else if (strcmp(name, "--most") == 0) {
    question.most = strtoull(value, NULL, 10);
  } else if (strcmp(name, "--secret") == 0) {
    question.secret = value;
  } else if (strcmp(name, "--match") == 0) {
    question.match = value;
  } else if (strcmp(name, "--keys") == 0) {
    question.keys = value;
    question.signing = "aws:amz";
    question.region = "us-east-1";
  } else if (strcmp(name, "--stall") == 0) {
    question.stall_seconds = strtol(value, NULL, 10);
  } else if (strcmp(name, "--connect") == 0) {
    question.connect_seconds = strtol(value, NULL, 10);
  } else {
    deadline = clock_monotonic() + (int64_t)(strtod(value, NULL) * 1e9);
  }
  return 2;
}

static void ask(Http *http, char **urls) {
  const Asking asking = {.go_on = go_on};
  Error error = {0};
  HttpRequest *requests = NULL, *done;
  int count = 0;
  while (urls[count] != NULL) count++;
  requests = calloc((size_t)count, sizeof *requests);
  for (int i = 0; i < count; i++) {
    requests[i] = question;
    requests[i].url = requests[i].subject = urls[i];
    http_add(http, &requests[i]);
  }
  while (http_next(http, &asking, &done, &error) && done != NULL) print(done);
  if (error.code != ERROR_NONE) printf("{\"error\": \"%s\"}\n", error.message);
  for (int i = 0; i < count; i++) {
    http_abandon(http, &requests[i]);
    http_release(&requests[i]);
  }
  printf("{\"requests\": %llu, \"received\": %llu}\n", (unsigned long long)http_requests(http),
         (unsigned long long)http_received(http));
  fflush(stdout);
  error_clear(&error);
  free(requests);
}

/* Asks the hub for the files of a repository. */
static void ask_hub(Http *http, char **words) {
  const Asking asking = {.go_on = go_on};
  HubSettings settings;
  Error error = {0};
  HubFiles files = {0};
  char *commit = NULL;
  bool missing = false;
  HubApi api = {.http = http,
                .settings = &settings,
                .asking = &asking,
                .kind = words[0],
                .name = words[1],
                .path = "hf://it"};
  if (hub_settings_read(&settings, &error) &&
      hub_api_commit(&api, words[2], &commit, &missing, &error) &&
      hub_api_files(&api, commit, &files, &error)) {
    printf("{\"commit\": \"%s\"}\n", commit);
    for (uint64_t i = 0; i < files.count; i++) {
      char *url = hub_api_url(&api, commit, files.rows[i].path);
      printf("{\"size\": %llu, \"digest\": \"%s\"", (unsigned long long)files.rows[i].size,
             files.rows[i].digest);
      print_text("path", files.rows[i].path, strlen(files.rows[i].path));
      print_text("url", url, strlen(url));
      printf("}\n");
      memory_free(url);
    }
  } else {
    printf("{\"missing\": %d", missing);
    print_text("error", error.message, error.message != NULL ? strlen(error.message) : 0);
    printf("}\n");
  }
  memory_free(commit);
  hub_files_clear(&files);
  hub_settings_clear(&settings);
  error_clear(&error);
}

/* Asks a store for its objects, or for the first bytes of one. */
static void ask_store(Http *http, const char *what, const char *address) {
  const Asking asking = {.go_on = go_on};
  S3Settings settings;
  Error error = {0};
  S3Objects objects = {0};
  S3Api api = {.http = http, .settings = &settings, .asking = &asking, .path = address};
  if (s3_settings_read(&settings, &error) && strcmp(what, "--objects") == 0 &&
      s3_list(&api, address, &objects, &error)) {
    for (uint64_t i = 0; i < objects.count; i++) {
      printf("{\"size\": %llu", (unsigned long long)objects.rows[i].size);
      print_text("address", objects.rows[i].address, strlen(objects.rows[i].address));
      print_text("etag", objects.rows[i].etag, strlen(objects.rows[i].etag));
      printf("}\n");
    }
  } else if (error.code == ERROR_NONE) {
    HttpRequest request = {.size = 1000, .most = 1000};
    char *url = s3_url(&api, address, &error);
    request.url = url;
    s3_prepare(&api, &request);
    if (url != NULL && http_get(http, &request, &asking, &error) &&
        (request.status == 206 || s3_raise(&api, &request, &error)))
      print(&request);
    http_release(&request);
    memory_free(url);
  }
  if (error.code != ERROR_NONE) {
    printf("{\"nothing\": 0");
    print_text("error", error.message, strlen(error.message));
    printf("}\n");
  }
  s3_objects_clear(&objects);
  s3_settings_clear(&settings);
  error_clear(&error);
}

static bool raise_answer(const void *context, const HttpRequest *request, Error *error) {
  (void)context;
  return error_raise(error, ERROR_IO, request->subject, "status %d", request->status);
}

/* Reads a range of what has come, and adds up its bytes. */
static unsigned long long sum_range(const RemoteFile *file, uint64_t begin, uint64_t size) {
  unsigned long long sum = 0;
  Error error = {0};
  if (begin >= remote_file_size(file)) return 0;
  if (size > remote_file_size(file) - begin) size = remote_file_size(file) - begin;
  unsigned char *bytes = malloc(size + 1);
  if (!file_read(remote_file_descriptor(file), "it", bytes, size, begin, &error)) sum = 1ull << 63;
  for (uint64_t i = 0; i < size; i++) sum += bytes[i];
  free(bytes);
  error_clear(&error);
  return sum;
}

/* Fetches ranges of files. For the first range all files are asked before any is waited for. */
static void ask_files(Http *http, char **words) {
  const Asking asking = {.go_on = go_on};
  RemoteBudget budget = {.limit = strtoull(words[0], NULL, 10)};
  RemoteFile *files[300] = {0};
  int ranges = 1, count = 0;
  while (words[ranges] != NULL && strchr(words[ranges], ':') == NULL) ranges++;
  for (char **url = words + ranges; *url != NULL && count < 300; url++) {
    RemotePlace place = {.address = *url, .question = question, .raise = raise_answer};
    place.question.url = *url;
    files[count++] = remote_file_new(http, &budget, &place);
  }
  for (int i = 1; i < ranges; i++) {
    char *plus;
    uint64_t begin = strtoull(words[i], &plus, 10), size = strtoull(plus + 1, NULL, 10);
    for (int f = 0; f < count; f++) remote_file_ask(files[f], begin, size);
    for (int f = 0; f < count; f++) {
      Error error = {0};
      bool good = remote_file_wait(files[f], &asking, &error);
      printf("{\"range\": %d, \"size\": %lld, \"sum\": %llu", i,
             (long long)remote_file_size(files[f]), good ? sum_range(files[f], begin, size) : 0);
      print_text("state", remote_file_state(files[f]), strlen(remote_file_state(files[f])));
      print_text("url", words[ranges + f], strlen(words[ranges + f]));
      if (!good) print_text("error", error.message, strlen(error.message));
      printf("}\n");
      error_clear(&error);
    }
  }
  printf("{\"requests\": %llu, \"received\": %llu}\n", (unsigned long long)http_requests(http),
         (unsigned long long)budget.spent);
  for (int f = 0; f < count; f++) remote_file_free(files[f]);
}

/* The identity of a file, and the sum of a range of it, read through a descriptor of its own. */
static bool print_file(Network *network, const char *address, uint64_t begin, uint64_t size,
                       Error *error) {
  FileIdentity identity, again;
  unsigned long long sum = 0;
  int descriptor = network_open(network, address, &identity, error);
  if (descriptor < 0) return false;
  unsigned char *bytes = malloc(size + 1);
  bool good = network_need(network, address, begin, size, begin + size, NULL, error) &&
              network_identify(network, address, &again, error) &&
              file_read(descriptor, address, bytes, size, begin, error);
  for (uint64_t i = 0; good && i < size; i++) sum += bytes[i];
  free(bytes);
  file_close(descriptor);
  if (good) {
    printf("{\"size\": %llu, \"inode\": %llu, \"sum\": %llu, \"same\": %d",
           (unsigned long long)identity.size, (unsigned long long)identity.inode, sum,
           file_identity_equal(&identity, &again));
    print_text("address", address, strlen(address));
    printf("}\n");
  }
  return good;
}

static bool ask_one(Network *network, char **word, Error *error) {
  if (strcmp(word[0], "pin") == 0) {
    char *pinned = network_pin(network, word[1], error);
    if (pinned == NULL) return false;
    printf("{\"it\": 0");
    print_text("pinned", pinned, strlen(pinned));
    printf("}\n");
    memory_free(pinned);
    return true;
  }
  if (strcmp(word[0], "list") == 0) {
    PathList names = {0};
    bool good = network_list(network, word[1], &names, error);
    printf("{\"it\": 0, \"names\": [");
    for (uint32_t i = 0; i < names.count; i++)
      printf("%s\"%s\"", i > 0 ? ", " : "", names.paths[i]);
    printf("]}\n");
    path_list_clear(&names);
    return good;
  }
  if (strcmp(word[0], "header") == 0) {
    unsigned char first[8] = {0};
    FileIdentity identity;
    uint64_t length;
    int descriptor = network_open(network, word[1], &identity, error);
    bool good = descriptor >= 0 && network_need_header(network, word[1], error) &&
                file_read(descriptor, "", first, sizeof first, 0, error);
    memcpy(&length, first, sizeof length);
    file_close(descriptor);
    return good && print_file(network, word[1], 0, 8 + length, error);
  }
  char *plus;
  uint64_t begin = strtoull(word[0], &plus, 10), size = strtoull(plus + 1, NULL, 10);
  return print_file(network, word[1], begin, size, error);
}

static void ask_network(char **words) {
  const NetworkSettings settings = {.mode = strcmp(words[0], "on") == 0    ? NETWORK_ON
                                            : strcmp(words[0], "off") == 0 ? NETWORK_OFF
                                                                           : NETWORK_NEVER,
                                    .limit = strtoull(words[1], NULL, 10)};
  Network *network = network_new(&settings, NULL, NULL);
  PathList expected = {0};
  words += 2;
  for (char **word = words; *word != NULL; word++) {
    if (network_is_address(*word) && !path_list_add(&expected, NULL, *word)) break;
  }
  if (settings.mode == NETWORK_ON && words[0][0] == '0')
    network_expect(network, expected.paths, NULL, expected.count);
  path_list_clear(&expected);
  while (*words != NULL) {
    Error error = {0};
    bool period = strcmp(*words, "period") == 0;
    if (period) {
      network_end_period(network);
    } else if (!ask_one(network, words, &error)) {
      printf("{\"it\": 0");
      print_text("error", error.message, error.message != NULL ? strlen(error.message) : 0);
      printf("}\n");
    }
    error_clear(&error);
    words += period ? 1 : 2;
  }
  network_free(network);
}

int main(int count, char **arguments) {
  int at = 1, taken;
  while (at < count && (taken = take_option(arguments + at)) > 0) at += taken;
  question.subject = "fetcher";
  Http *http = http_open();
  if (http == NULL) return 1;
  if (count - at == 4 && strcmp(arguments[at], "--repository") == 0) {
    ask_hub(http, arguments + at + 1);
  } else if (count - at > 3 && strcmp(arguments[at], "--network") == 0) {
    ask_network(arguments + at + 1);
  } else if (count - at > 3 && strcmp(arguments[at], "--files") == 0) {
    ask_files(http, arguments + at + 1);
  } else if (count - at == 2 && strncmp(arguments[at], "--object", 8) == 0) {
    ask_store(http, arguments[at], arguments[at + 1]);
  } else {
    ask(http, arguments + at);
  }
  if (forks) {
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
      ask(http, arguments + at);
      http_close(http);
      _exit(sqlite3_memory_used() > 0);
    }
    waitpid(child, &status, 0);
    if (status != 0) printf("{\"error\": \"the child failed\"}\n");
    ask(http, arguments + at);
  }
  http_close(http);
  if (sqlite3_memory_used() > 0)
    printf("{\"error\": \"%lld bytes are left\"}\n", (long long)sqlite3_memory_used());
  return sqlite3_memory_used() > 0;
}
