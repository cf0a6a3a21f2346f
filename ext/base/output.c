#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/path_list.h"

enum { MAX_LINKS = 40, MAX_ATTEMPTS = 16 };

static bool raise_number(const Output *output, const char *action, int number, Error *error) {
  if (number == ENOMEM) return error_memory(error);
  return error_raise(error, ERROR_IO, output->path, "cannot %s: %s", action, strerror(number));
}

static bool raise_errno(const Output *output, const char *action, Error *error) {
  return raise_number(output, action, errno, error);
}

/* ---- The target ---- */

/* What the link at `path` leads to; NULL when `path` is no link, or memory runs out (then with an
** error). */
static char *read_link(const char *path, Error *error) {
  char target[4096];
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0) return NULL;
  target[length] = '\0';
  char *folder = target[0] == '/' ? memory_copy_text("", 0) : path_folder(path);
  char *joined = folder != NULL ? path_join(folder, target) : NULL;
  memory_free(folder);
  if (joined == NULL) error_memory(error);
  return joined;
}

static bool follow_links(Output *output, Error *error) {
  for (int links = 0; links < MAX_LINKS; links++) {
    char *next = read_link(output->path, error);
    if (next == NULL) return error->code == ERROR_NONE;
    memory_free(output->path);
    output->path = next;
  }
  return error_raise(error, ERROR_IO, output->path, "cannot write: too many symbolic links");
}

static bool look_at_target(Output *output, OutputLink link, Error *error) {
  struct stat status;
  int missing =
      link == OUTPUT_FOLLOW_LINK ? stat(output->path, &status) : lstat(output->path, &status);
  output->mode = 0666;
  if (missing != 0) return errno == ENOENT || raise_errno(output, "look at the file", error);
  if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
    return error_raise(error, ERROR_IO, output->path,
                       "expected the path of a file to write, found a %s",
                       S_ISDIR(status.st_mode) ? "folder" : "pipe, socket or device");
  }
  output->exists = true;
  if (S_ISLNK(status.st_mode)) return true; /* it has no mode to keep */
  if (faccessat(AT_FDCWD, output->path, W_OK, AT_EACCESS) != 0) {
    return raise_errno(output, "write", error);
  }
  output->has_mode = true;
  output->mode = status.st_mode & 07777;
  output->owner = status.st_uid;
  output->group = status.st_gid;
  return true;
}

/* ---- The temporary file ---- */

static const char *folder_path(const Output *output) {
  return output->folder[0] != '\0' ? output->folder : ".";
}

static void forget(char **name) {
  memory_free(*name);
  *name = NULL;
}

static char *new_name(const Output *output) {
  uint64_t number = memory_random_seed();
  char name[64];
  snprintf(name, sizeof name, OUTPUT_TEMPORARY "%016" PRIx64 ".tmp", number);
  return path_join(output->folder, name);
}

/* A file that has no name yet. -1 where the system, or this file system, has none, and where it
** could not be given a name later. */
static int open_nameless(const Output *output) {
#if defined(O_TMPFILE)
  int descriptor = open(folder_path(output), O_TMPFILE | O_RDWR | O_CLOEXEC, output->mode & 0777);
  if (descriptor < 0) return -1;
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  if (access(link, F_OK) == 0) return descriptor;
  close(descriptor);
#else
  (void)output;
#endif
  return -1;
}

static int open_named(const Output *output, char **name, Error *error) {
  int number = 0;
  for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    *name = new_name(output);
    if (*name == NULL) {
      error_memory(error);
      return -1;
    }
    int descriptor = open(*name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, output->mode & 0777);
    if (descriptor >= 0) return descriptor;
    number = errno;
    forget(name);
    if (number != EEXIST && number != EINTR) break;
  }
  if (number == ENOENT) {
    error_fill(error, ERROR_IO, output->path, "cannot write: there is no folder %s",
               folder_path(output));
  } else {
    raise_number(output, "create a file in its folder", number, error);
  }
  return -1;
}

bool output_open(Output *output, const char *path, OutputLink link, Error *error) {
  *output = (Output){.descriptor = -1, .path = memory_copy_text(path, strlen(path))};
  if (output->path == NULL) return error_memory(error);
  if (link == OUTPUT_FOLLOW_LINK && !follow_links(output, error)) return false;
  output->folder = path_folder(output->path);
  if (output->folder == NULL) return error_memory(error);
  if (!look_at_target(output, link, error)) return false;
  output->descriptor = open_nameless(output);
  if (output->descriptor < 0) {
    output->descriptor = open_named(output, &output->temporary, error);
  }
  return output->descriptor >= 0;
}

int output_scratch(const Output *output, Error *error) {
  int descriptor = open_nameless(output);
  if (descriptor >= 0) return descriptor;
  char *name;
  descriptor = open_named(output, &name, error);
  if (descriptor >= 0) unlink(name);
  memory_free(name);
  return descriptor;
}

/* ---- Into the target's place ---- */

/* Gives the new file the mode of the old one, and its owner. */
static bool take_over_mode(const Output *output, Error *error) {
  if (!output->has_mode) return true;
  struct stat status;
  if (fstat(output->descriptor, &status) != 0) return raise_errno(output, "look at it", error);
  if (status.st_uid != output->owner || status.st_gid != output->group) {
    /* Only root may give files away; others keep what they wrote. */
    if (fchown(output->descriptor, output->owner, output->group) != 0) errno = 0;
  }
  return fchmod(output->descriptor, output->mode) == 0 ||
         raise_errno(output, "keep the file's mode", error);
}

/* Gives a file that has none its temporary name. */
static bool name_file(Output *output, Error *error) {
  char nameless[32];
  int number = 0;
  snprintf(nameless, sizeof nameless, "/proc/self/fd/%d", output->descriptor);
  for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    char *name = new_name(output);
    if (name == NULL) return error_memory(error);
    if (linkat(AT_FDCWD, nameless, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
      output->temporary = name;
      return true;
    }
    number = errno;
    memory_free(name);
    if (number != EEXIST) break;
  }
  return raise_number(output, "name the new file", number, error);
}

static int sync_descriptor(int descriptor) {
  int failed;
  do {
    failed = fsync(descriptor);
  } while (failed != 0 && errno == EINTR);
  return failed;
}

bool output_seal(Output *output, Error *error) {
  if (!take_over_mode(output, error)) return false;
  if (sync_descriptor(output->descriptor) != 0) {
    return raise_errno(output, "write to the disk", error);
  }
  if (output->temporary == NULL && !name_file(output, error)) return false;
  int descriptor = output->descriptor;
  output->descriptor = -1;
  return close(descriptor) == 0 || errno == EINTR || raise_errno(output, "write", error);
}

/* The second name of the old file: always the same, so that what a killed process left there goes
** when the target is next written. */
static char *aside_name(const Output *output) {
  const char *slash = strrchr(output->path, '/');
  uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
  for (const char *at = slash != NULL ? slash + 1 : output->path; *at != '\0'; at++) {
    hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
  }
  char name[64];
  snprintf(name, sizeof name, OUTPUT_TEMPORARY "%016" PRIx64 ".old", hash);
  return path_join(output->folder, name);
}

bool output_hide(Output *output, Error *error) {
  output->aside = aside_name(output);
  if (output->aside == NULL) return error_memory(error);
  output->hidden = rename(output->path, output->aside) == 0;
  if (output->hidden) return true;
  raise_errno(output, "move the old file", error);
  forget(&output->aside);
  return false;
}

bool output_keep(Output *output, Error *error) {
  if (!output->exists || output->aside != NULL) return true;
  output->aside = aside_name(output);
  if (output->aside == NULL) return error_memory(error);
  int failed = linkat(AT_FDCWD, output->path, AT_FDCWD, output->aside, 0);
  if (failed != 0 && errno == EEXIST && unlink(output->aside) == 0) {
    failed = linkat(AT_FDCWD, output->path, AT_FDCWD, output->aside, 0);
  }
  if (failed != 0) forget(&output->aside);
  return failed == 0;
}

bool output_replace(Output *output, Error *error) {
  if (!output_keep(output, error) && error->code != ERROR_NONE) return false;
  if (rename(output->temporary, output->path) != 0) {
    return raise_errno(output, "put the new file in its place", error);
  }
  forget(&output->temporary);
  output->replaced = true;
  return true;
}

void output_undo(Output *output) {
  if (output->aside != NULL && (output->replaced || output->hidden)) {
    /* If this fails the old file stays, under its second name. */
    if (rename(output->aside, output->path) != 0) errno = 0;
    forget(&output->aside);
  } else if (output->replaced && !output->exists) {
    unlink(output->path);
  }
  output->replaced = output->hidden = false;
}

bool output_sync(const Output *output, Error *error) {
  int folder;
  do {
    folder = open(folder_path(output), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (folder < 0 && errno == EINTR);
  if (folder < 0) return raise_errno(output, "open its folder", error);
  /* Some file systems have no such thing. */
  bool synced = sync_descriptor(folder) == 0 || errno == EINVAL || errno == ENOTSUP;
  if (!synced) raise_errno(output, "write its folder to the disk", error);
  close(folder);
  return synced;
}

void output_close(Output *output) {
  if (output->descriptor >= 0) close(output->descriptor);
  if (output->temporary != NULL) unlink(output->temporary);
  if (output->aside != NULL) unlink(output->aside);
  memory_free(output->temporary);
  memory_free(output->aside);
  memory_free(output->folder);
  memory_free(output->path);
  *output = (Output){.descriptor = -1};
}

bool output_commit(Output *output, Error *error) {
  if (!output_seal(output, error) || !output_replace(output, error)) return false;
  if (output_sync(output, error)) return true;
  output_undo(output);
  return false;
}
