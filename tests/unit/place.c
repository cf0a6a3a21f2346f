/*
** Files are put in their places whole, and taken back whole: with every combination of what a system may
** lack, whoever else is at work, whatever is in the way, and whenever the process is killed.
*/
#include "base/place.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/place_system.h"
#include "program.h"
#include "scratch.h"

#if defined(__linux__)
#include <sys/xattr.h>
#endif

#define PREFIX ".place-"
enum { MISSING_ALL = 32, TEXT = 64 };

static char path[4096], other[4096];
static const char *title = "";

static void verify(int good, const char *what) {
  char message[512];
  snprintf(message, sizeof message, "%s: %s", title, what);
  check(good, message);
}

/* What went wrong, as a code. */
static ErrorCode code_of(Error *error) {
  ErrorCode code = error->code;
  error_clear(error);
  return code;
}

static bool write_new(Place *place, const char *text) {
  return write(place->descriptor, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Opens, writes and seals. */
static ErrorCode make(Place *place, Places *places, const char *name, PlaceMode mode,
                      const char *text) {
  Error error = {0};
  if (place_open(place, places, name, mode, NULL, &error) && write_new(place, text)) {
    place_seal(place, &error);
  }
  return code_of(&error);
}

static ErrorCode put(Place *place, Places *places) {
  Error error = {0};
  if (places_lock(places, NULL, &error)) {
    if (place_put(place, &error)) places_sync(places, &error);
    places_unlock(places);
  }
  return code_of(&error);
}

/* ---- What a system may lack ---- */

static void replaced(bool kept) {
  Places places = {.prefix = PREFIX};
  Place place;
  struct stat status;
  put_text(path, "old");
  if (chmod(path, 0640) != 0) stop(path);
  verify(make(&place, &places, path, PLACE_REPLACE, "new") == ERROR_NONE, "a file is sealed");
  verify(has_text(path, "old"), "and the old one is there");
  verify(put(&place, &places) == ERROR_NONE, "it is put");
  verify(has_text(path, "new"), "and the new one is there");
  verify(put(&place, &places) == ERROR_NONE, "and again");
  if (kept) {
    place_finish(&place);
  } else {
    place_take_back(&place);
  }
  places_close(&places);
  verify(has_text(path, kept ? "new" : "old"), "what is there in the end");
  verify(stat(path, &status) == 0 && (status.st_mode & 07777) == 0640, "it has its mode");
  verify(count_files() == 1, "nothing else is there");
  empty_directory();
}

static void created(bool kept) {
  Places places = {.prefix = PREFIX};
  Place place;
  verify(make(&place, &places, path, PLACE_CREATE, "new") == ERROR_NONE, "a new file is sealed");
  verify(access(path, F_OK) != 0, "and not there yet");
  verify(put(&place, &places) == ERROR_NONE, "it is put");
  if (kept) {
    place_finish(&place);
  } else {
    place_take_back(&place);
  }
  places_close(&places);
  verify(has_text(path, "new") == kept, "whether it is there");
  verify(count_files() == kept, "nothing else is there");
  empty_directory();
}

/* In every state that a Place can be in. */
static void given_up(void) {
  for (int sealed = 0; sealed < 2; sealed++) {
    Places places = {.prefix = PREFIX};
    Place place;
    Error error = {0};
    put_text(path, "old");
    verify(place_open(&place, &places, path, PLACE_REPLACE, NULL, &error), "opened");
    if (sealed) verify(write_new(&place, "new") && place_seal(&place, &error), "sealed");
    int scratch = sealed ? -1 : place_scratch(&place, &error);
    verify(sealed || (scratch >= 0 && write(scratch, "x", 1) == 1), "a scratch file");
    if (scratch >= 0) close(scratch);
    place_take_back(&place);
    place_take_back(&place);
    places_close(&places);
    verify(has_text(path, "old") && count_files() == 1, "given up");
    empty_directory();
  }
}

/* ---- Others at work ---- */

static void somebody_writes_in_place(void) {
  put_text(path, "his own");
}

static void somebody_replaces(void) {
  put_text(other, "his own");
  if (rename(other, path) != 0) stop(other);
}

static void somebody_removes(void) {
  if (unlink(path) != 0) stop(path);
}

static void somebody_links(void) {
  put_text(other, "his own");
  if (unlink(path) != 0 || symlink(other, path) != 0) stop(path);
}

/* The program's own, in place of the C library's: somebody else may write between a look at the file and
** its exchange, which nothing but this call is. */
static void (*just_before)(void);

__attribute__((no_sanitize("address"))) /* as the C library's own, it takes six, however many there are */
long syscall(long number, ...) {
  static long (*function)(long, ...);
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) arguments[i] = va_arg(list, long);
  va_end(list);
  if (function == NULL) {
    void *found = dlsym(RTLD_NEXT, "syscall");
    memcpy(&function, &found, sizeof found);
  }
  void (*action)(void) = just_before;
  just_before = NULL;
  if (action != NULL) action();
  return function(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                  arguments[5]);
}

static void (*const somebody[])(void) = {somebody_writes_in_place, somebody_replaces,
                                         somebody_removes, somebody_links};

static void written_meanwhile(void) {
  for (int i = 0; i < 4; i++) {
    Places places = {.prefix = PREFIX};
    Place place;
    put_text(path, "old");
    make(&place, &places, path, PLACE_REPLACE, "new");
    somebody[i]();
    verify(put(&place, &places) == ERROR_SNAPSHOT, "somebody has written it");
    place_take_back(&place);
    places_close(&places);
    verify(i == 2 ? access(path, F_OK) != 0 : has_text(path, "his own"), "and his file stays");
    verify(count_files() == (i == 2 ? 0 : i == 3 ? 2 : 1), "and nothing else");
    empty_directory();
  }
}

static void written_at_that_moment(void) {
  for (int i = 0; i < 4; i++) {
    Places places = {.prefix = PREFIX};
    Place place;
    put_text(path, "old");
    make(&place, &places, path, PLACE_REPLACE, "new");
    just_before = somebody[i];
    ErrorCode code = put(&place, &places);
    verify(just_before == NULL && code == ERROR_SNAPSHOT, "somebody writes it at that moment");
    place_take_back(&place);
    places_close(&places);
    verify(i == 2 ? access(path, F_OK) != 0 : has_text(path, "his own"), "and his file stays");
    verify(count_files() == (i == 2 ? 0 : i == 3 ? 2 : 1), "and nothing else");
    empty_directory();
  }
}

/* After it was put, and before it is taken back. */
static void written_after(void) {
  for (int i = 0; i < 2; i++) {
    Places places = {.prefix = PREFIX};
    Place place;
    if (i == 1) put_text(path, "old");
    make(&place, &places, path, i == 1 ? PLACE_REPLACE : PLACE_CREATE, "new");
    verify(put(&place, &places) == ERROR_NONE, "put");
    somebody_replaces();
    place_take_back(&place);
    places_close(&places);
    verify(has_text(path, "his own") && count_files() == 1,
           "his file stays when ours is taken back");
    empty_directory();
  }
}

static void there_meanwhile(void) {
  for (int mode = PLACE_CREATE; mode <= PLACE_REPLACE; mode++) {
    Places places = {.prefix = PREFIX};
    Place place;
    make(&place, &places, path, (PlaceMode)mode, "new");
    put_text(path, "his own");
    ErrorCode right = mode == PLACE_CREATE ? ERROR_EXISTS : ERROR_SNAPSHOT;
    verify(put(&place, &places) == right, "somebody has made one");
    place_take_back(&place);
    verify(mode == PLACE_REPLACE ||
               make(&place, &places, path, (PlaceMode)mode, "new") == ERROR_EXISTS,
           "there is one");
    places_close(&places);
    verify(has_text(path, "his own") && count_files() == 1, "and it stays");
    empty_directory();
  }
}

static void known_before(void) {
  for (int i = 0; i < 4; i++) {
    Places places = {.prefix = PREFIX};
    Place place;
    FileIdentity identity;
    Error error = {0};
    put_text(path, "old");
    verify(file_identify(path, &identity, &error), "identified");
    verify(place_open(&place, &places, path, PLACE_REPLACE, &identity, &error), "as it was read");
    place_take_back(&place);
    somebody[i]();
    verify(!place_open(&place, &places, path, PLACE_REPLACE, &identity, &error) &&
               code_of(&error) == ERROR_SNAPSHOT,
           "written since it was read");
    places_close(&places);
    empty_directory();
  }
}

/* ---- What is in the way ---- */

static ErrorCode refused(PlaceMode mode) {
  Places places = {.prefix = PREFIX};
  Place place;
  Error error = {0};
  bool opened = place_open(&place, &places, path, mode, NULL, &error);
  verify(!opened && place.state == PLACE_CLOSED, "refused");
  places_close(&places);
  return code_of(&error);
}

static void in_the_way(void) {
  title = "in the way";
  if (mkdir(path, 0755) != 0) stop(path);
  verify(refused(PLACE_REPLACE) == ERROR_UNOPENED, "a directory");
  empty_directory();
  if (mkfifo(path, 0644) != 0) stop(path);
  verify(refused(PLACE_REPLACE) == ERROR_UNOPENED, "a pipe");
  verify(refused(PLACE_CREATE) == ERROR_UNOPENED, "a pipe");
  empty_directory();
  if (symlink(other, path) != 0) stop(path);
  verify(refused(PLACE_REPLACE) == ERROR_UNOPENED, "a link that leads nowhere");
  verify(refused(PLACE_CREATE) == ERROR_UNOPENED, "a link that leads nowhere");
  verify(access(other, F_OK) != 0, "where nothing is made");
  empty_directory();
  snprintf(path, sizeof path, "%s/none/file", directory);
  verify(refused(PLACE_CREATE) == ERROR_MISSING, "no directory");
  snprintf(path, sizeof path, "%s/", directory);
  verify(refused(PLACE_REPLACE) == ERROR_UNOPENED, "a directory by its slash");
  snprintf(path, sizeof path, "%s", in_directory("file"));
}

/* The file that a link leads to is written, in its own directory, and the link stays. */
static void through_a_link(void) {
  Places places = {.prefix = PREFIX};
  Place place;
  struct stat status;
  title = "through a link";
  if (mkdir(in_directory("far"), 0755) != 0) stop("far");
  put_text(in_directory("far/file"), "old");
  if (symlink("far/file", path) != 0) stop(path);
  verify(make(&place, &places, path, PLACE_REPLACE, "new") == ERROR_NONE, "sealed");
  char *real = realpath(in_directory("far/file"), NULL);
  verify(strcmp(place.target, real) == 0 && strcmp(place.path, path) == 0, "both paths are known");
  free(real);
  verify(put(&place, &places) == ERROR_NONE, "put");
  place_finish(&place);
  places_close(&places);
  verify(has_text(in_directory("far/file"), "new"), "the file is the new one");
  verify(lstat(path, &status) == 0 && S_ISLNK(status.st_mode), "the link stays");
  unlink(in_directory("far/file"));
  empty_directory();
}

/* A directory that is entered by another name, or left for another, meanwhile. */
static void from_elsewhere(void) {
  Places places = {.prefix = PREFIX};
  Place a, b;
  char before[4096];
  title = "from elsewhere";
  if (getcwd(before, sizeof before) == NULL || chdir(directory) != 0) stop(directory);
  verify(make(&a, &places, "a", PLACE_CREATE, "new") == ERROR_NONE, "a bare name");
  verify(make(&b, &places, in_directory("b"), PLACE_CREATE, "new") == ERROR_NONE, "a whole path");
  verify(a.directory == b.directory, "are in one directory");
  if (chdir("/") != 0) stop("/");
  verify(put(&a, &places) == ERROR_NONE && put(&b, &places) == ERROR_NONE, "put from another");
  place_finish(&a);
  place_finish(&b);
  places_close(&places);
  verify(has_text(in_directory("a"), "new") && has_text(in_directory("b"), "new") &&
             count_files() == 2,
         "both are there");
  if (chdir(before) != 0) stop(before);
  empty_directory();
}

/* ---- Rights ---- */

/* Runs as another user, in another process; `work` returns what to exit with. */
static int run_as(uid_t user, gid_t group, gid_t more, int (*work)(void)) {
  pid_t child = fork();
  if (child == 0) {
    if (setgroups(more != 0, &more) != 0 || setgid(group) != 0 || setuid(user) != 0) _exit(99);
    _exit(work());
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) stop("fork");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

/* Replaces the file, or returns the kind of error. */
static int replace_it(void) {
  Places places = {.prefix = PREFIX};
  Place place;
  ErrorCode code = make(&place, &places, path, PLACE_REPLACE, "new");
  if (code == ERROR_NONE) code = put(&place, &places);
  if (code == ERROR_NONE) {
    place_finish(&place);
  } else {
    place_take_back(&place);
  }
  places_close(&places);
  return (int)code;
}

static bool is_owned(uid_t user, gid_t group, mode_t mode) {
  struct stat status;
  return stat(path, &status) == 0 && status.st_uid == user && status.st_gid == group &&
         (status.st_mode & 07777) == mode;
}

static void make_owned(uid_t user, gid_t group, mode_t mode) {
  put_text(path, "old");
  if (chown(path, user, group) != 0 || chmod(path, mode) != 0) stop(path);
}

enum { ALICE = 31001, BOB, CAROL, USERS = 31100, SECRET = 31200 };

static void owners(void) {
  title = "owners";
  if (geteuid() != 0) {
    printf("skipped: whose files are (only root can make others')\n");
    return;
  }
  if (chmod(directory, 0777) != 0) stop(directory);
  make_owned(ALICE, SECRET, 0660);
  verify(run_as(BOB, USERS, SECRET, replace_it) == ERROR_NONE, "a member of the group replaces it");
  verify(is_owned(BOB, SECRET, 0660), "and the group stays");
  make_owned(ALICE, SECRET, 0666);
  verify(run_as(CAROL, USERS, 0, replace_it) == ERROR_NONE, "a stranger replaces it");
  verify(is_owned(CAROL, USERS, 0606), "and his own group has no rights");
  make_owned(ALICE, SECRET, 0646);
  verify(run_as(CAROL, USERS, 0, replace_it) == ERROR_NONE,
         "the group may only read, others write");
  verify(is_owned(CAROL, USERS, 0604), "then its members, others now, may not write either");
  make_owned(ALICE, SECRET, 0640);
  verify(replace_it() == ERROR_NONE && is_owned(ALICE, SECRET, 0640), "root keeps all");
  make_owned(ALICE, SECRET, 0644);
  verify(run_as(CAROL, USERS, 0, replace_it) == ERROR_READ_ONLY, "nobody else may write it");
  verify(has_text(path, "old"), "and it stays");
  if (chmod(directory, 0755) != 0 || chmod(path, 0666) != 0) stop(directory);
  verify(run_as(CAROL, USERS, 0, replace_it) == ERROR_READ_ONLY, "nor make files in the directory");
  verify(has_text(path, "old") && count_files() == 1, "and it stays");
  empty_directory();
}

/* Others' links in a directory like /tmp are not followed, where the system protects them. */
static void sticky(void) {
  char setting = '0';
  title = "sticky directories";
  FILE *file = fopen("/proc/sys/fs/protected_symlinks", "r");
  if (file != NULL && fread(&setting, 1, 1, file) != 1) setting = '0';
  if (file != NULL) fclose(file);
  if (geteuid() != 0 || setting != '1') {
    printf(
        "skipped: links in sticky directories (root, and a system that protects them, are "
        "needed)\n");
    return;
  }
  if (mkdir(in_directory("far"), 0777) != 0 || chmod(in_directory("far"), 0777) != 0) stop("far");
  put_text(in_directory("far/file"), "old");
  if (chmod(directory, 01777) != 0 || symlink("far/file", path) != 0) stop(directory);
  if (lchown(path, ALICE, USERS) != 0) stop(path);
  verify(refused(PLACE_REPLACE) == ERROR_READ_ONLY || refused(PLACE_REPLACE) == ERROR_DENIED,
         "root does not follow another's link");
  verify(has_text(in_directory("far/file"), "old"), "and the file stays");
  unlink(path);
  make_owned(ALICE, USERS, 0666);
  verify(run_as(BOB, USERS, 0, replace_it) == ERROR_READ_ONLY, "nor is another's file replaced");
  verify(has_text(path, "old") && count_files() == 2, "and it stays");
  unlink(in_directory("far/file"));
  empty_directory();
  if (chmod(directory, 0755) != 0) stop(directory);
}

#if defined(__linux__)
static void attributes(void) {
  static const char list[] = "system.posix_acl_access";
  /* version 2; user::rw-, user:31003:rw-, group::---, mask::rw-, other::r-- */
  static const unsigned char acl[] = {2,  0, 0, 0,                     /**/
                                      1,  0, 6, 0, 255, 255, 255, 255, /**/
                                      2,  0, 6, 0, 27,  121, 0,   0,   /**/
                                      4,  0, 0, 0, 255, 255, 255, 255, /**/
                                      16, 0, 6, 0, 255, 255, 255, 255, /**/
                                      32, 0, 4, 0, 255, 255, 255, 255};
  char value[256];
  title = "attributes";
  put_text(path, "old");
  if (setxattr(path, "user.origin", "here", 4, 0) != 0) {
    printf("skipped: extended attributes (%s has none)\n", directory);
    return;
  }
  bool has_acl = setxattr(path, list, acl, sizeof acl, 0) == 0;
  verify(replace_it() == ERROR_NONE, "replaced");
  verify(getxattr(path, "user.origin", value, sizeof value) == 4 && memcmp(value, "here", 4) == 0,
         "it has the attribute");
  if (!has_acl) {
    printf("skipped: access control lists (%s has none)\n", directory);
  } else {
    verify(getxattr(path, list, value, sizeof value) == sizeof acl &&
               memcmp(value, acl, sizeof acl) == 0,
           "it has the list of who has access");
    if (geteuid() == 0 && chmod(directory, 0777) == 0 && chown(path, ALICE, SECRET) == 0) {
      verify(run_as(CAROL, USERS, 0, replace_it) == ERROR_NONE, "one of the list replaces it");
      verify(is_owned(CAROL, USERS, 0600),
             "without its group no list is kept, nor anybody's rights");
      if (chmod(directory, 0755) != 0) stop(directory);
    }
  }
  empty_directory();
}
#else
static void attributes(void) {
  printf("skipped: extended attributes\n");
}
#endif

/* ---- Killed ---- */

/* Goes so far, and is killed. */
static int killed_at(int step) {
  pid_t child = fork();
  if (child == 0) {
    Places places = {.prefix = PREFIX};
    Place place;
    Error error = {0};
    for (int i = 0; i <= step; i++) {
      switch (i) {
        case 0: place_open(&place, &places, path, PLACE_REPLACE, NULL, &error); break;
        case 1: write_new(&place, "new"); break;
        case 2: place_seal(&place, &error); break;
        case 3: places_lock(&places, NULL, &error); break;
        case 4: place_put(&place, &error); break;
        case 5: places_sync(&places, &error); break;
        default: place_finish(&place); break;
      }
    }
    raise(SIGKILL);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) stop("fork");
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int count_left_over(void) {
  int count = 0;
  DIR *listing = opendir(directory);
  const struct dirent *entry;
  if (listing == NULL) stop(directory);
  while ((entry = readdir(listing)) != NULL) {
    count += place_is_left_over(directory, entry->d_name, PREFIX);
  }
  closedir(listing);
  return count;
}

static void killed(void) {
  for (int step = 0; step < 7; step++) {
    put_text(path, "old");
    verify(killed_at(step), "killed");
    verify(has_text(path, step < 4 ? "old" : "new"), "the whole old file, or the whole new one");
    verify(count_left_over() == count_files() - 1, "what is left over is known");
    verify(replace_it() == ERROR_NONE && has_text(path, "new"), "the next write");
    verify(count_files() == 1, "leaves nothing over");
    empty_directory();
  }
}

/* What somebody is at work with is not swept away by another, in this process or in another. */
static void at_work(void) {
  Places places = {.prefix = PREFIX}, others = {.prefix = PREFIX};
  Place place, another;
  title = "at work";
  put_text(path, "old");
  put_text(in_directory(PREFIX "notes.tmp"), "not ours");
  make(&place, &places, path, PLACE_REPLACE, "new");
  verify(count_left_over() == 0, "nothing is left over");
  verify(make(&another, &others, other, PLACE_CREATE, "x") == ERROR_NONE,
         "another file is written");
  place_take_back(&another);
  places_close(&others);
  verify(put(&place, &places) == ERROR_NONE, "and does not disturb the first");
  make(&another, &others, other, PLACE_CREATE, "x");
  place_take_back(&another);
  places_close(&others);
  place_take_back(&place);
  places_close(&places);
  verify(has_text(path, "old"), "nor what it has to be taken back with");
  verify(count_files() == 2, "and only what is not ours stays");
  empty_directory();
}

/* Another writer has locked the directory for a moment. */
static void waiting(void) {
  Places places = {.prefix = PREFIX};
  Place place;
  title = "waiting";
  make(&place, &places, path, PLACE_CREATE, "new");
  int ready[2];
  if (pipe(ready) != 0) stop("pipe");
  pid_t child = fork();
  if (child == 0) {
    int lock = open(directory, O_RDONLY);
    flock(lock, LOCK_EX);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    usleep(200000);
    _exit(0);
  }
  char byte;
  if (child < 0 || read(ready[0], &byte, 1) != 1) stop("fork");
  int64_t began = clock_monotonic();
  verify(put(&place, &places) == ERROR_NONE, "put");
  verify(clock_monotonic() - began > 100000000, "after the other writer");
  waitpid(child, NULL, 0);
  close(ready[0]);
  close(ready[1]);
  place_finish(&place);
  places_close(&places);
  empty_directory();
}

int main(void) {
  make_directory();
  snprintf(path, sizeof path, "%s", in_directory("file"));
  snprintf(other, sizeof other, "%s", in_directory("other"));
  int descriptors = open_descriptors();
  for (unsigned missing = 0; missing < MISSING_ALL; missing++) {
    char text[TEXT];
    snprintf(text, sizeof text, "without %u", missing);
    title = text;
    place_pretend_to_lack(missing);
    for (int kept = 0; kept < 2; kept++) {
      replaced(kept);
      created(kept);
    }
    given_up();
    written_meanwhile();
    written_after();
    there_meanwhile();
    known_before();
    if ((missing & PLACE_LACKS_LOCKS) == 0) killed();
  }
  place_pretend_to_lack(0);
  title = "at that moment";
  written_at_that_moment();
  in_the_way();
  through_a_link();
  from_elsewhere();
  owners();
  sticky();
  attributes();
  at_work();
  waiting();
  check(open_descriptors() == descriptors, "descriptors left open");
  check(sqlite3_memory_used() == 0, "memory left");
  rmdir(directory);
  return finish();
}
