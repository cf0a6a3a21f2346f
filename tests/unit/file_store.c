/* Texts that processes share in files (base/file_store.c): what was kept is found, by others too; what is damaged or of
** another key is not; the oldest go when there are too many; and where nothing can be written, nothing is kept. */
#include "base/file_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/memory.h"
#include "program.h"

static char *place(const char *name) {
  return sqlite3_mprintf("%s/%s", directory, name);
}

static bool finds(FileStore *store, const char *key, const char *expected) {
  unsigned char *bytes = NULL;
  uint64_t size = 0;
  bool found = file_store_find(store, key, &bytes, &size);
  bool good = expected == NULL
                  ? !found
                  : found && size == strlen(expected) && memcmp(bytes, expected, size + 1) == 0;
  if (found) memory_free(bytes);
  return good;
}

static void keep(FileStore *store, const char *key, const char *text) {
  file_store_keep(store, key, text, strlen(text));
}

/* The name of the only file, or of the first that is found. */
static char *any_file(const char *path, unsigned *count) {
  DIR *list = opendir(path);
  char *name = NULL;
  *count = 0;
  for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    if (name == NULL) name = sqlite3_mprintf("%s/%s", path, entry->d_name);
    ++*count;
  }
  if (list != NULL) closedir(list);
  return name;
}

static void check_keeping(void) {
  char *path = place("a/b/c");
  FileStore *store = file_store_open(path, 1 << 20), *other = file_store_open(path, 1 << 20);
  struct stat status;
  check(finds(store, "k", NULL) && access(path, F_OK) != 0,
        "nothing is made before something is kept");
  keep(store, "k", "text");
  keep(store, "l", "");
  check(finds(store, "k", "text") && finds(other, "k", "text") && finds(other, "l", ""),
        "what was kept, by another store too");
  check(stat(path, &status) == 0 && (status.st_mode & 0777) == 0700,
        "a directory for its owner alone");
  keep(other, "k", "newer");
  check(finds(store, "k", "newer") && finds(store, "K", NULL) && finds(store, "", NULL),
        "what was kept last, and for no other key");
  file_store_close(other);
  file_store_close(store);
  sqlite3_free(path);
}

/* Every byte of a file, changed; and every length. */
static void check_damage(void) {
  char *path = place("damage");
  unsigned count, whole = 0;
  FileStore *store = file_store_open(path, 1 << 20);
  unsigned char bytes[256];
  keep(store, "key", "0123456789");
  char *name = any_file(path, &count);
  int file = open(name, O_RDWR);
  ssize_t size = read(file, bytes, sizeof bytes);
  for (ssize_t i = 0; i < size; i++) {
    unsigned char wrong = bytes[i] ^ 0x20;
    if (pwrite(file, &wrong, 1, i) != 1) stop("pwrite");
    whole += !finds(store, "key", NULL);
    if (pwrite(file, &bytes[i], 1, i) != 1) stop("pwrite");
  }
  check(size > 10 && whole == 0 && finds(store, "key", "0123456789"), "a byte that was changed");
  for (ssize_t i = size; i-- > 0;) {
    if (ftruncate(file, i) != 0) stop("ftruncate");
    whole += !finds(store, "key", NULL);
  }
  check(whole == 0, "a file that was cut");
  close(file);
  keep(store, "key", "again");
  check(finds(store, "key", "again"), "written again");
  char *foreign = sqlite3_mprintf("%s/moved", path);
  check(rename(name, foreign) == 0 && finds(store, "key", NULL), "gone");
  sqlite3_free(foreign);
  sqlite3_free(name);
  file_store_close(store);
  sqlite3_free(path);
}

/* Files get times in the order in which they are kept. */
static void age(const char *path, int seconds) {
  struct timespec times[2] = {{.tv_sec = 1000000 + seconds}, {.tv_sec = 1000000 + seconds}};
  DIR *list = opendir(path);
  for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
    struct stat status;
    if (entry->d_name[0] == '.' || fstatat(dirfd(list), entry->d_name, &status, 0) != 0) continue;
    if (status.st_mtime > 2000000) utimensat(dirfd(list), entry->d_name, times, 0);
  }
  closedir(list);
}

static void check_limit(void) {
  enum { TEXT = 1000, COUNT = 40, LIMIT = 20 * (TEXT + 32 + 2) };
  char *path = place("limit"), text[TEXT + 1], key[3] = "00";
  FileStore *store = file_store_open(path, LIMIT);
  unsigned found = 0, newest = 0, count;
  memset(text, 'x', TEXT);
  text[TEXT] = '\0';
  for (int i = 0; i < COUNT; i++) {
    key[0] = (char)('0' + i / 10);
    key[1] = (char)('0' + i % 10);
    keep(store, key, text);
    age(path, i);
  }
  for (int i = 0; i < COUNT; i++) {
    key[0] = (char)('0' + i / 10);
    key[1] = (char)('0' + i % 10);
    bool is_there = finds(store, key, text);
    found += is_there;
    newest += is_there && i >= COUNT - 18;
  }
  check(found <= 20 && found >= 18 && newest == 18, "the oldest go");
  char *large = memory_zeroed(LIMIT, 1);
  file_store_keep(store, "large", large, LIMIT / 2 + 1);
  check(finds(store, "large", NULL), "what takes half of the room is not kept");
  memory_free(large);
  sqlite3_free(any_file(path, &count));
  check(count == found, "no other files are left");
  file_store_close(store);
  sqlite3_free(path);
}

static void check_leftovers(void) {
  char *path = place("leftovers"), *old = place("leftovers/0.tmp"),
       *foreign = place("leftovers/README");
  const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  FileStore *store = file_store_open(path, 1 << 20);
  mkdir(path, 0700);
  close(open(old, O_CREAT | O_WRONLY, 0600));
  close(open(foreign, O_CREAT | O_WRONLY, 0600));
  utimensat(AT_FDCWD, old, times, 0);
  utimensat(AT_FDCWD, foreign, times, 0);
  keep(store, "k", "text");
  check(access(old, F_OK) != 0 && access(foreign, F_OK) == 0,
        "what a dead process left is removed, and nothing that is not ours");
  file_store_close(store);
  sqlite3_free(path);
  sqlite3_free(old);
  sqlite3_free(foreign);
}

static void check_no_place(void) {
  FileStore *store = file_store_open("/dev/null/cache", 1 << 20);
  keep(store, "k", "text");
  check(finds(store, "k", NULL), "where nothing can be written");
  file_store_close(store);
}

/* Eight processes keep and find the same keys. */
static void check_processes(void) {
  char *path = place("processes");
  int good = 0;
  for (int child = 0; child < 8; child++) {
    if (fork() == 0) {
      FileStore *store = file_store_open(path, 4000);
      bool right = true;
      for (int i = 0; i < 200; i++) {
        char key[2] = {(char)('a' + i % 7), '\0'};
        unsigned char *bytes;
        uint64_t size;
        keep(store, key, key);
        if (file_store_find(store, key, &bytes, &size)) {
          right = right && size == 1 && bytes[0] == (unsigned char)key[0];
          memory_free(bytes);
        }
      }
      file_store_close(store);
      _exit(right ? 0 : 1);
    }
  }
  for (int child = 0, status; child < 8; child++) good += wait(&status) > 0 && status == 0;
  check(good == 8, "several processes at a time");
  sqlite3_free(path);
}

/* A directory where others may write could have anything in it. */
static void check_strangers(void) {
  char *path = place("shared"), *link = place("link"), *real = place("real");
  FileStore *store = file_store_open(path, 1 << 20), *linked = file_store_open(link, 1 << 20);
  keep(store, "k", "text");
  file_store_close(store);
  for (unsigned mode = 0; mode < 2; mode++) {
    check(chmod(path, mode == 0 ? 0770 : 0707) == 0, "chmod");
    store = file_store_open(path, 1 << 20);
    check(finds(store, "k", NULL), "what others may have written");
    keep(store, "l", "text");
    check(chmod(path, 0700) == 0 && finds(store, "l", NULL) && finds(store, "k", "text"),
          "nothing was written there");
    file_store_close(store);
  }
  if (geteuid() == 0) { /* who else could give something away */
    check(chown(path, 1, 1) == 0, "chown");
    store = file_store_open(path, 1 << 20);
    check(finds(store, "k", NULL), "another user's directory");
    file_store_close(store);
    check(mkdir(real, 0700) == 0 && symlink("real", link) == 0 && lchown(link, 1, 1) == 0, "link");
    keep(linked, "k", "text");
    check(finds(linked, "k", NULL), "another user's link");
    check(lchown(link, 0, 0) == 0, "lchown");
  } else {
    check(mkdir(real, 0700) == 0 && symlink("real", link) == 0, "link");
  }
  keep(linked, "k", "text");
  check(finds(linked, "k", "text"), "the user's own link");
  file_store_close(linked);
  sqlite3_free(path);
  sqlite3_free(link);
  sqlite3_free(real);
}

int main(void) {
  make_directory();
  check_keeping();
  check_damage();
  check_limit();
  check_strangers();
  check_leftovers();
  check_no_place();
  check_processes();
  check(sqlite3_memory_used() == 0, "no memory is left");
  return finish();
}
