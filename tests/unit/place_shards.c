/*
** A model in shards is replaced by one exchange of its index. Killed after every step, it is the whole old
** model or the whole new one, and the next write leaves nothing over; what nobody has surely left stays.
*/
#include "write/place_shards.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "format/index_metadata.h"
#include "format/shards.h"
#include "program.h"
#include "scratch.h"

#define INDEX "model.safetensors.index.json"
enum { LISTING = 4096, STEPS = 40 };

static char index_path[4096];

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the directory, sorted, each with a space behind it. */
static const char *list(void) {
  static char listing[LISTING];
  char *names[64];
  size_t count = 0, length = 0;
  DIR *entries = opendir(directory);
  const struct dirent *entry;
  if (entries == NULL) stop(directory);
  while ((entry = readdir(entries)) != NULL && count < 64) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      names[count++] = strdup(entry->d_name);
    }
  }
  closedir(entries);
  qsort(names, count, sizeof *names, by_text);
  listing[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    length += (size_t)snprintf(listing + length, sizeof listing - length, "%s ", names[i]);
    free(names[i]);
  }
  return listing;
}

static void check_list(const char *right, const char *what) {
  char message[2 * LISTING];
  snprintf(message, sizeof message, "%s: expected %s, found %s", what, right, list());
  check(strcmp(list(), right) == 0, message);
}

/* ---- A model whose index is a list of its shards, and a shard of which says whose it is ---- */

static void read_text(const char *name, char text[LISTING]) {
  int descriptor = open(in_directory(name), O_RDONLY);
  ssize_t length = descriptor >= 0 ? read(descriptor, text, LISTING - 1) : 0;
  text[length > 0 ? length : 0] = '\0';
  if (descriptor >= 0) close(descriptor);
}

/* The owner of all shards that the index names: '-' of none, '!' when they are not of one. */
static char owner(void) {
  char index[LISTING], shard[LISTING], found = '-';
  read_text(INDEX, index);
  for (char *name = strtok(index, "\n"); name != NULL; name = strtok(NULL, "\n")) {
    read_text(name, shard);
    if (shard[0] == '\0' || (found != '-' && found != shard[0])) return '!';
    found = shard[0];
  }
  return found;
}

static void read_old(PathList *old) {
  char index[LISTING];
  read_text(INDEX, index);
  for (char *name = strtok(index, "\n"); name != NULL; name = strtok(NULL, "\n")) {
    path_list_add(old, NULL, name);
  }
}

static ErrorCode code_of(Error *error) {
  ErrorCode code = error->code;
  error_clear(error);
  return code;
}

static bool write_shard(PlaceShards *set, uint32_t number, uint32_t count, char who, char *index,
                        Error *error) {
  char *name = shards_name(index_path, set->generation, number, count);
  Place *shard = place_shards_add(set, name, error);
  bool good = shard != NULL && write(shard->descriptor, &who, 1) == 1 && place_seal(shard, error);
  strcat(strcat(index, name), "\n");
  memory_free(name);
  return good;
}

/* Ends the process there, when it comes to step `killed_at`. */
static int killed_at, steps;

static void go_on(void) {
  if (++steps == killed_at) raise(SIGKILL);
}

/* A model of `count` shards of `who`'s, put as far as `until` says. */
typedef enum Until { SEALED, PUT, FINISHED } Until;

static ErrorCode write_model(PlaceShards *set, Places *places, PlaceMode mode, uint32_t count,
                             char who, Until until) {
  Error error = {0};
  PathList old = {0};
  char index[LISTING] = "";
  read_old(&old);
  bool good = place_shards_open(set, places, index_path, mode, NULL, &old, NULL, &error);
  path_list_clear(&old);
  for (uint32_t i = 0; good && i < count; i++) {
    good = write_shard(set, i + 1, count, who, index, &error);
    go_on();
  }
  if (good) good = write(set->index.descriptor, index, strlen(index)) == (ssize_t)strlen(index);
  if (good) good = place_shards_seal(set, &error);
  go_on();
  if (good && until > SEALED) {
    good = places_lock(places, NULL, &error) && place_shards_put(set, &error);
    places_unlock(places);
  }
  go_on();
  if (good && until > PUT) place_shards_finish(set);
  if (!good) place_shards_take_back(set);
  if (!good || until > PUT) places_close(places);
  return code_of(&error);
}

static ErrorCode write_whole(PlaceMode mode, uint32_t count, char who) {
  Places places = {.prefix = WRITER_TEMPORARY};
  PlaceShards set;
  return write_model(&set, &places, mode, count, who, FINISHED);
}

/* ---- Names ---- */

static void names(void) {
  check(write_whole(PLACE_CREATE, 2, 'a') == ERROR_NONE && owner() == 'a', "a new model");
  check_list("model-00001-of-00002.safetensors model-00002-of-00002.safetensors " INDEX " ",
             "a new model");
  check(write_whole(PLACE_CREATE, 2, 'b') == ERROR_EXISTS && owner() == 'a', "it is there");
  check(write_whole(PLACE_REPLACE, 1, 'b') == ERROR_NONE && owner() == 'b', "replaced");
  check_list("model-r2-00001-of-00001.safetensors " INDEX " ", "replaced");
  check(write_whole(PLACE_REPLACE, 1, 'c') == ERROR_NONE && owner() == 'c', "and again");
  check_list("model-r3-00001-of-00001.safetensors " INDEX " ", "and again");
  put_text(in_directory("model.safetensors"), "lone");
  check(write_whole(PLACE_REPLACE, 1, 'd') == ERROR_EXISTS && owner() == 'c',
        "a model in one file beside the index");
  empty_directory();
  put_text(in_directory("model-00001-of-00007.safetensors"), "his own");
  put_text(in_directory("other-00001-of-00001.safetensors"), "his own");
  check(write_whole(PLACE_CREATE, 1, 'a') == ERROR_NONE, "beside shards that no index names");
  check_list("model-00001-of-00007.safetensors model-r2-00001-of-00001.safetensors " INDEX
             " other-00001-of-00001.safetensors ",
             "they stay");
  empty_directory();
}

static void generations(void) {
  static const struct {
    const char *name;
    uint64_t generation; /* 0: not of the model */
  } cases[] = {
      {"model-00001-of-00002.safetensors", 1},
      {"model-100001-of-100002.safetensors", 1},
      {"model-r2-00001-of-00002.safetensors", 2},
      {"model-r17-00001-of-00002.safetensors", 17},
      {"model-r1-00001-of-00002.safetensors", 0},
      {"model-r02-00001-of-00002.safetensors", 0},
      {"model-r-00001-of-00002.safetensors", 0},
      {"model-r9999999999999999999-00001-of-00002.safetensors", 0},
      {"model-0001-of-0002.safetensors", 0},
      {"model-r2-00001-of-00002.safetensors.tmp", 0},
      {"model-x-00001-of-00002.safetensors", 0},
      {"modell-00001-of-00002.safetensors", 0},
      {"sub/model-00001-of-00002.safetensors", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint64_t generation;
    bool is = shards_parse_name(index_path, cases[i].name, &generation);
    check(cases[i].generation == 0 ? !is : is && generation == cases[i].generation, cases[i].name);
  }
}

/* What a killed writer has surely left, and what somebody else may have put there. */
static void left_over(void) {
  check(write_whole(PLACE_CREATE, 2, 'a') == ERROR_NONE, "a new model");
  check(write_whole(PLACE_REPLACE, 2, 'b') == ERROR_NONE, "of the second generation");
  put_text(in_directory("model-r2-00001-of-00003.safetensors"), "of the index's generation");
  put_text(in_directory("model-r5-00001-of-00003.safetensors"), "abandoned");
  put_text(in_directory("model-00001-of-00009.safetensors"), "his own");
  put_text(in_directory("model-x5-00001-of-00003.safetensors"), "his own");
  check(write_whole(PLACE_REPLACE, 1, 'c') == ERROR_NONE && owner() == 'c', "the next write");
  check_list(
      "model-00001-of-00009.safetensors model-r2-00001-of-00003.safetensors "
      "model-r3-00001-of-00001.safetensors model-x5-00001-of-00003.safetensors " INDEX " ",
      "removes what is surely left over");
  check(write_whole(PLACE_REPLACE, 1, 'd') == ERROR_NONE, "the next but one");
  check_list(
      "model-00001-of-00009.safetensors model-r4-00001-of-00001.safetensors "
      "model-x5-00001-of-00003.safetensors " INDEX " ",
      "removes what is no longer of the index's generation");
  empty_directory();
}

/* Without an index nothing says what is left over; with the new one, that does. */
static void left_over_without_index(void) {
  put_text(in_directory("model-00001-of-00009.safetensors"), "his own");
  put_text(in_directory("model-r5-00001-of-00003.safetensors"), "abandoned");
  check(write_whole(PLACE_CREATE, 1, 'a') == ERROR_NONE && owner() == 'a', "a new model");
  check_list("model-00001-of-00009.safetensors model-r6-00001-of-00001.safetensors " INDEX " ",
             "removes what it shows to be left over");
  empty_directory();
}

/* An index whose shards are of several generations: what it keeps stays. */
static void kept(void) {
  Places places = {.prefix = WRITER_TEMPORARY};
  PlaceShards set;
  PathList old = {0};
  Error error = {0};
  char index[LISTING] = "model-00002-of-00002.safetensors\n";
  check(write_whole(PLACE_CREATE, 2, 'a') == ERROR_NONE, "a new model");
  read_old(&old);
  bool good =
      place_shards_open(&set, &places, index_path, PLACE_REPLACE, NULL, &old, NULL, &error) &&
      place_shards_keep(&set, "model-00002-of-00002.safetensors", &error) &&
      write_shard(&set, 1, 2, 'a', index, &error) &&
      write(set.index.descriptor, index, strlen(index)) == (ssize_t)strlen(index) &&
      place_shards_seal(&set, &error) && places_lock(&places, NULL, &error) &&
      place_shards_put(&set, &error);
  check(good, "one of two is new");
  places_unlock(&places);
  place_shards_finish(&set);
  places_close(&places);
  path_list_clear(&old);
  check(owner() == 'a', "and the model is whole");
  check_list("model-00002-of-00002.safetensors model-r2-00001-of-00002.safetensors " INDEX " ",
             "the other one stays");
  PathList named = {0};
  read_old(&named);
  check(!shards_is_abandoned(index_path, "model-00002-of-00002.safetensors", &named) &&
            !shards_is_abandoned(index_path, "model-00001-of-00002.safetensors", &named) &&
            !shards_is_abandoned(index_path, "model-r2-00002-of-00002.safetensors", &named) &&
            shards_is_abandoned(index_path, "model-r3-00001-of-00002.safetensors", &named),
        "the index's generation is the greatest of its shards'");
  path_list_clear(&named);
  empty_directory();
}

/* ---- Given up, killed, and two at work ---- */

static void taken_back(void) {
  for (int old = 0; old < 2; old++) {
    for (Until until = SEALED; until <= PUT; until++) {
      Places places = {.prefix = WRITER_TEMPORARY};
      PlaceShards set;
      char before[LISTING];
      if (old) check(write_whole(PLACE_REPLACE, 3, 'a') == ERROR_NONE, "the old model");
      snprintf(before, sizeof before, "%s", list());
      check(write_model(&set, &places, PLACE_REPLACE, 2, 'b', until) == ERROR_NONE, "written");
      check(owner() == (until == PUT ? 'b' : old ? 'a' : '-'), "which model is there");
      place_shards_take_back(&set);
      places_close(&places);
      check(owner() == (old ? 'a' : '-'), "taken back");
      check_list(before, "taken back");
      empty_directory();
    }
  }
}

/* Returns false when there is no such step. */
static bool killed(int at, PlaceMode mode) {
  pid_t child = fork();
  if (child == 0) {
    killed_at = at;
    write_whole(mode, 2, 'b');
    _exit(0);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) stop("fork");
  return WIFSIGNALED(status);
}

static void killed_while_replacing(void) {
  check(write_whole(PLACE_CREATE, 3, 'a') == ERROR_NONE, "the old model");
  check(write_whole(PLACE_REPLACE, 3, 'a') == ERROR_NONE, "by names of its generation");
  for (int at = 1; at < STEPS && killed(at, PLACE_REPLACE); at++) {
    char who = owner();
    check(who == 'a' || who == 'b', "killed: one of the models is there");
    check(write_whole(PLACE_REPLACE, 3, 'a') == ERROR_NONE && owner() == 'a', "the next write");
    char right[LISTING];
    snprintf(right, sizeof right, "%s", list());
    check(strchr(right, ' ') != NULL && strstr(right, ".tmp") == NULL, "leaves no file over");
    int count = 0;
    for (const char *space = right; (space = strchr(space, ' ')) != NULL; space++) count++;
    check(count == 4, "leaves no shard over");
  }
  empty_directory();
}

static void killed_while_creating(void) {
  for (int at = 1; at < STEPS && killed(at, PLACE_CREATE); at++) {
    char who = owner();
    check(who == '-' || who == 'b', "killed: there is no model, or the new one");
    check(write_whole(PLACE_REPLACE, 3, 'a') == ERROR_NONE && owner() == 'a', "the next write");
    check(strstr(list(), ".tmp") == NULL, "leaves no file over");
    empty_directory();
  }
  empty_directory();
}

static void two_writers(void) {
  Places places = {.prefix = WRITER_TEMPORARY};
  PlaceShards set;
  Error error = {0};
  check(write_whole(PLACE_CREATE, 2, 'a') == ERROR_NONE, "the old model");
  check(write_model(&set, &places, PLACE_REPLACE, 2, 'b', SEALED) == ERROR_NONE,
        "the first writer");
  check(write_whole(PLACE_REPLACE, 2, 'c') == ERROR_NONE, "the second one");
  bool put = places_lock(&places, NULL, &error) && place_shards_put(&set, &error);
  places_unlock(&places);
  check(!put && code_of(&error) == ERROR_SNAPSHOT, "the first is reported");
  place_shards_take_back(&set);
  places_close(&places);
  check(owner() == 'c', "and the model is the second's");
  check_list("model-r2-00001-of-00002.safetensors model-r2-00002-of-00002.safetensors " INDEX " ",
             "and nothing else is there");
  empty_directory();
}

/* ---- What an index keeps ---- */

static void check_metadata(const char *text, const char *right) {
  IndexInput input = {.path = "index", .text = text, .size = strlen(text)};
  Error error = {0};
  char *found = index_metadata(&input, NULL, &error);
  check(found != NULL && strcmp(found, right) == 0, text);
  error_clear(&error);
  memory_free(found);
}

static void metadata(void) {
  check_metadata("{\"metadata\":{\"total_size\":3},\"weight_map\":{}}", "");
  check_metadata("{\"weight_map\":{\"metadata\":\"x\"}}", "");
  check_metadata("{\"metadata\":null,\"weight_map\":{}}", "");
  check_metadata("{\"metadata\":{},\"weight_map\":{}}", "");
  check_metadata(
      " { \"weight_map\" : {\"a\":\"b\"}, \"metadata\" : { \"b\" : [1, {\"c\":NaN}] , "
      "\"total_size\" : 1e3, \"a\\\"\" : \"\\u00e9\" } } ",
      "\"b\" : [1, {\"c\":NaN}],\n    \"a\\\"\" : \"\\u00e9\"");
  check_metadata("{\"metadata\":{\"a\":1},\"metadata\":{\"b\":2}}", "\"b\":2");
}

int main(void) {
  make_directory();
  snprintf(index_path, sizeof index_path, "%s/" INDEX, directory);
  int descriptors = open_descriptors();
  names();
  generations();
  left_over();
  left_over_without_index();
  kept();
  taken_back();
  killed_while_replacing();
  killed_while_creating();
  two_writers();
  metadata();
  check(open_descriptors() == descriptors, "descriptors left open");
  check(sqlite3_memory_used() == 0, "memory left");
  rmdir(directory);
  return finish();
}
