#include "base/place_system.h"

#include "base/file_posix.h"
#include "base/file_write.h"
#include "base/memory.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/xattr.h>
#elif defined(__APPLE__)
#include <sys/stdio.h>
#endif

static int place_system_posix_result(int failed) {
  return failed != 0 ? errno : 0;
}

static int place_system_posix_open(int directory, const char *name, int flags, mode_t mode,
                                   int *descriptor) {
  do {
    *descriptor = openat(directory, name, flags | O_CLOEXEC | O_NOCTTY, mode);
  } while (*descriptor < 0 && errno == EINTR);
  return place_system_posix_result(*descriptor < 0);
}

int place_system_close(int descriptor) {
  return close(descriptor) == 0 || errno == EINTR ? 0 : errno;
}

/* ---- Paths ---- */

int place_system_look(const char *path, PlaceKind *kind, bool *is_link) {
  struct stat status;
  *kind = PLACE_KIND_NOTHING;
  *is_link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
  if (stat(path, &status) != 0) return errno;
  *kind = S_ISREG(status.st_mode)   ? PLACE_KIND_REGULAR
          : S_ISDIR(status.st_mode) ? PLACE_KIND_DIRECTORY
                                    : PLACE_KIND_DEVICE;
  return 0;
}

int place_system_try(const char *path, FileIdentity *identity) {
  int descriptor;
  int number = place_system_posix_open(AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0, &descriptor);
  if (number != 0) return number;
  struct stat status;
  number = place_system_posix_result(fstat(descriptor, &status));
  if (number == 0 && !S_ISREG(status.st_mode)) number = EINVAL;
  if (number == 0) file_posix_take_status(&status, identity);
  place_system_close(descriptor);
  return number;
}

/* ---- Directories ---- */

int place_system_open_directory(const char *path, int *directory, uint64_t *device,
                                uint64_t *inode) {
  struct stat status;
  int number = place_system_posix_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, directory);
#if defined(O_PATH)
  if (number == EACCES) {
    number = place_system_posix_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, directory);
  }
#endif
  if (number != 0) return number;
  if (fstat(*directory, &status) != 0) {
    number = errno;
    place_system_close(*directory);
    return number;
  }
  *device = (uint64_t)status.st_dev;
  *inode = (uint64_t)status.st_ino;
  return 0;
}

int place_system_lock(int descriptor) {
  int failed;
  if (place_system_pretends_to_lack(PLACE_LACKS_LOCKS)) return ENOTSUP;
  do {
    failed = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  return place_system_posix_result(failed);
}

int place_system_lock_directory(int directory, int *lock) {
  *lock = directory;
  return place_system_lock(directory);
}

void place_system_unlock_directory(int lock) {
  flock(lock, LOCK_UN);
}

int place_system_make_directory(const char *path, bool is_private) {
  return place_system_posix_result(mkdir(path, is_private ? 0700 : 0777));
}

bool place_system_is_private(const char *path) {
  struct stat link, status;
  return lstat(path, &link) == 0 && stat(path, &status) == 0 && link.st_uid == geteuid() &&
         status.st_uid == geteuid() && S_ISDIR(status.st_mode) &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

int place_system_remove_directory(const char *path) {
  return place_system_posix_result(rmdir(path));
}

/* ---- Files ---- */

static mode_t place_system_posix_mode(bool is_private) {
  return is_private ? 0600 : 0666;
}

int place_system_create(int directory, const char *name, bool is_private, int *descriptor) {
  return place_system_posix_open(directory, name, O_CREAT | O_EXCL | O_RDWR,
                                 place_system_posix_mode(is_private), descriptor);
}

#if defined(O_TMPFILE)
static void place_system_posix_link_of(int descriptor, char link[32]) {
  snprintf(link, 32, "/proc/self/fd/%d", descriptor);
}

int place_system_create_nameless(int directory, bool is_private, int *descriptor) {
  char link[32];
  if (place_system_pretends_to_lack(PLACE_LACKS_NAMELESS)) return ENOTSUP;
  int number = place_system_posix_open(directory, ".", O_TMPFILE | O_RDWR,
                                       place_system_posix_mode(is_private), descriptor);
  if (number != 0) return number;
  place_system_posix_link_of(*descriptor, link);
  if (access(link, F_OK) == 0) return 0;
  place_system_close(*descriptor); /* without /proc the file could never be named */
  return ENOTSUP;
}

int place_system_name(int descriptor, int directory, const char *name) {
  char link[32];
  place_system_posix_link_of(descriptor, link);
  return place_system_posix_result(linkat(AT_FDCWD, link, directory, name, AT_SYMLINK_FOLLOW));
}
#else
int place_system_create_nameless(int directory, bool is_private, int *descriptor) {
  (void)directory, (void)is_private, (void)descriptor;
  return ENOTSUP;
}

int place_system_name(int descriptor, int directory, const char *name) {
  (void)descriptor, (void)directory, (void)name;
  return ENOTSUP;
}
#endif

int place_system_open(int directory, const char *name, int *descriptor) {
  struct stat status;
  int flags = O_NONBLOCK | O_NOFOLLOW;
  int number = place_system_posix_open(directory, name, O_RDWR | flags, 0, descriptor);
  if (number == EACCES || number == EROFS || number == ETXTBSY) {
    number = place_system_posix_open(directory, name, O_RDONLY | flags, 0, descriptor);
  }
  if (number != 0) return number;
  if (fstat(*descriptor, &status) == 0 && S_ISREG(status.st_mode)) return 0;
  place_system_close(*descriptor);
  return EINVAL;
}

int place_system_identify(int directory, const char *name, FileIdentity *identity) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return ENOENT;
  file_posix_take_status(&status, identity);
  return 0;
}

bool place_system_has_name(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

int place_system_remove(int directory, const char *name) {
  return place_system_posix_result(unlinkat(directory, name, 0));
}

int place_system_link(int directory, const char *from, const char *to) {
  if (place_system_pretends_to_lack(PLACE_LACKS_LINKS)) return ENOTSUP;
  return place_system_posix_result(linkat(directory, from, directory, to, 0));
}

int place_system_sync(int descriptor) {
  int failed;
  do {
    failed = fsync(descriptor);
  } while (failed != 0 && errno == EINTR);
  return place_system_posix_result(failed);
}

/* A file that has a name is opened, so that it is not freed while the caller waits for its removal. */
void place_system_discard(int directory, const char *name, int descriptor) {
  if (descriptor < 0 && place_system_open(directory, name, &descriptor) != 0) descriptor = -1;
  if (name != NULL) place_system_remove(directory, name);
  if (descriptor >= 0) file_discard(descriptor);
}

/* ---- Moving ---- */

/* The values of Linux, because old headers do not define them, and their equivalents of macOS. */
#if defined(__APPLE__)
enum { PLACE_SYSTEM_POSIX_NO_REPLACE = RENAME_EXCL, PLACE_SYSTEM_POSIX_EXCHANGE = RENAME_SWAP };
#else
enum { PLACE_SYSTEM_POSIX_NO_REPLACE = 1, PLACE_SYSTEM_POSIX_EXCHANGE = 2 };
#endif

/* Calls renameat2() by its number, because glibc has a wrapper only since 2.28. */
static int place_system_posix_rename(int directory, const char *from, const char *to,
                                     unsigned flags) {
#if defined(__linux__) && defined(SYS_renameat2)
  return place_system_posix_result(
      (int)syscall(SYS_renameat2, directory, from, directory, to, flags));
#elif defined(__APPLE__)
  return place_system_posix_result(renameatx_np(directory, from, directory, to, flags));
#else
  (void)directory, (void)from, (void)to, (void)flags;
  return ENOSYS;
#endif
}

int place_system_exchange(int directory, const char *a, const char *b) {
  if (place_system_pretends_to_lack(PLACE_LACKS_EXCHANGE)) return ENOSYS;
  return place_system_posix_rename(directory, a, b, PLACE_SYSTEM_POSIX_EXCHANGE);
}

int place_system_replace(int directory, const char *from, const char *to) {
  return place_system_posix_result(renameat(directory, from, directory, to));
}

/* Whether the error number means that no hard link can be made here. File systems without links
** fail with EPERM. */
static bool place_system_posix_has_no_links(int number) {
  return place_system_is_unsupported(number) || number == EPERM || number == EMLINK;
}

int place_system_move(int directory, const char *from, const char *to) {
  int number = place_system_pretends_to_lack(PLACE_LACKS_NO_REPLACE)
                   ? ENOSYS
                   : place_system_posix_rename(directory, from, to, PLACE_SYSTEM_POSIX_NO_REPLACE);
  if (!place_system_is_unsupported(number)) return number;
  number = place_system_link(directory, from, to);
  if (number == 0) {
    place_system_remove(directory, from); /* if this fails, the file merely has two names */
    return 0;
  }
  if (!place_system_posix_has_no_links(number)) return number;
  struct stat status; /* this is not atomic, but other writers are locked out */
  if (fstatat(directory, to, &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  return errno == ENOENT ? place_system_replace(directory, from, to) : errno;
}

/* ---- Attributes ---- */

#if defined(__linux__)
static const char place_system_posix_access_list[] = "system.posix_acl_access";

/* Whether to copy an attribute: yes if it expresses what the owner wants, no if it depends on
** the bytes, as signatures do (security.ima), or belongs to the file system (trusted.overlay). */
static bool place_system_posix_keeps_attribute(const char *name) {
  return strncmp(name, "user.", 5) == 0 || strcmp(name, place_system_posix_access_list) == 0 ||
         strcmp(name, "security.selinux") == 0 || strncmp(name, "security.SMACK64", 16) == 0;
}

static int place_system_posix_keep_attribute(int from, int to, const char *name) {
  ssize_t size = fgetxattr(from, name, NULL, 0);
  if (size < 0) return errno;
  void *value = memory_alloc((uint64_t)size);
  if (value == NULL) return ENOMEM;
  size = fgetxattr(from, name, value, (size_t)size);
  int number = size < 0 ? errno : 0;
  if (number == 0) number = place_system_posix_result(fsetxattr(to, name, value, (size_t)size, 0));
  memory_free(value);
  return number;
}

static bool place_system_posix_is_want_of_space(int number) {
  return number == ENOSPC || number == EDQUOT || number == ENOMEM || number == EIO;
}

/* Sets *narrow if there is an access control list that could not be copied. */
static int place_system_posix_keep_extended(int from, int to, bool same_group, bool *narrow) {
  ssize_t size = flistxattr(from, NULL, 0);
  if (size <= 0) return 0;
  char *names = memory_alloc((uint64_t)size);
  if (names == NULL) return ENOMEM;
  size = flistxattr(from, names, (size_t)size);
  int number = 0;
  for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
    const char *name = names + at;
    bool is_list = strcmp(name, place_system_posix_access_list) == 0;
    if (!place_system_posix_keeps_attribute(name)) continue;
    number = is_list && !same_group ? EPERM : place_system_posix_keep_attribute(from, to, name);
    if (place_system_posix_is_want_of_space(number)) break;
    if (is_list && number != 0) *narrow = true;
    number = 0;
  }
  memory_free(names);
  return number;
}
#else
static int place_system_posix_keep_extended(int from, int to, bool same_group, bool *narrow) {
  (void)from, (void)to, (void)same_group, (void)narrow;
  return 0;
}
#endif

/* The group is set first and separately: members of a group may give it to their files, but only
** root may give a file away. */
static bool place_system_posix_keep_owner(int to, const struct stat *old, struct stat *made) {
  bool same_group = made->st_gid == old->st_gid || fchown(to, (uid_t)-1, old->st_gid) == 0;
  if (made->st_uid != old->st_uid && fchown(to, old->st_uid, (gid_t)-1) == 0) {
    made->st_uid = old->st_uid;
  }
  return same_group;
}

/* If the group could not be kept, it loses its permissions, and everybody else loses those that
** the group did not have, because the former members count as others now. */
static mode_t place_system_posix_narrow_mode(mode_t mode, bool same_group, bool same_owner,
                                             bool narrow) {
  mode_t group = (mode & S_IRWXG) >> 3;
  if (!same_group) mode &= (S_IRWXU | S_ISVTX | group);
  if (!same_owner) mode &= ~(mode_t)(S_ISUID | S_ISGID);
  if (narrow) mode &= S_IRWXU;
  return mode;
}

int place_system_keep_attributes(int from, int to) {
  struct stat old, made;
  if (fstat(from, &old) != 0 || fstat(to, &made) != 0) return errno;
  bool same_group = place_system_posix_keep_owner(to, &old, &made), narrow = false;
  int number = place_system_posix_keep_extended(from, to, same_group, &narrow);
  if (number != 0) return number;
  mode_t mode = place_system_posix_narrow_mode(old.st_mode & 07777, same_group,
                                               made.st_uid == old.st_uid, narrow);
  number = place_system_posix_result(fchmod(to, mode));
  return number == EPERM || place_system_is_unsupported(number) ? 0 : number;
}

#endif
