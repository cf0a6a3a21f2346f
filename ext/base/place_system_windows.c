#include "base/place_system.h"

#include "base/clock.h"
#include "base/file_windows.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/utf16.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <aclapi.h>
#include <errno.h>
#include <string.h>
#include <wchar.h>

int place_system_close(int descriptor) {
  return wide_result(CloseHandle(wide_handle(descriptor)));
}

/* ---- Paths ---- */

static PlaceKind place_system_windows_kind(FileWindowsKind kind) {
  return kind == FILE_WINDOWS_REGULAR     ? PLACE_KIND_REGULAR
         : kind == FILE_WINDOWS_DIRECTORY ? PLACE_KIND_DIRECTORY
                                          : PLACE_KIND_DEVICE;
}

/* Opens what `path` names, to look at it. */
static int place_system_windows_look(const char *path, DWORD flags, int *descriptor) {
  return wide_open_text(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS | flags, descriptor);
}

int place_system_look(const char *path, PlaceKind *kind, bool *is_link) {
  int descriptor;
  FileWindowsKind found;
  FileIdentity identity;
  *kind = PLACE_KIND_NOTHING;
  *is_link = false;
  int number = place_system_windows_look(path, FILE_FLAG_OPEN_REPARSE_POINT, &descriptor);
  if (number == 0 && wide_is_link(descriptor)) {
    *is_link = true;
    place_system_close(descriptor);
    number = place_system_windows_look(path, 0, &descriptor);
  }
  if (number == ENXIO) *kind = PLACE_KIND_DEVICE;
  if (number != 0) return number == ENXIO ? 0 : number;
  number = file_windows_identify(descriptor, &found, &identity);
  if (number == 0) *kind = place_system_windows_kind(found);
  place_system_close(descriptor);
  return number;
}

static int place_system_windows_identify_regular(int descriptor, int otherwise,
                                                 FileIdentity *identity) {
  FileWindowsKind kind;
  int number = file_windows_identify(descriptor, &kind, identity);
  return number == 0 && kind != FILE_WINDOWS_REGULAR ? otherwise : number;
}

int place_system_try(const char *path, FileIdentity *identity) {
  int descriptor;
  int number = wide_open_text(path, GENERIC_READ | GENERIC_WRITE, 0, &descriptor);
  if (number != 0) return number;
  number = place_system_windows_identify_regular(descriptor, EINVAL, identity);
  place_system_close(descriptor);
  return number;
}

/* The path of a name in an open directory. memory_free() releases it. */
static int place_system_windows_path(int directory, const char *name, wchar_t **path) {
  wchar_t *real;
  *path = NULL;
  int number = wide_real_path(directory, &real);
  if (number != 0) return number;
  size_t length = wcslen(real);
  wchar_t *whole = memory_resize(real, length + 1 + strlen(name) + 1, sizeof *whole);
  if (whole == NULL) {
    memory_free(real);
    return ENOMEM;
  }
  if (whole[length - 1] != L'\\') whole[length++] = L'\\'; /* it is a root where there is one */
  *path = whole;
  if (utf16_from_text(name, whole + length)) return 0;
  memory_free(whole);
  *path = NULL;
  return ENOENT;
}

/* ---- Directories ---- */

int place_system_open_directory(const char *path, int *directory, uint64_t *device,
                                uint64_t *inode) {
  FileWindowsKind kind;
  FileIdentity identity;
  int number = place_system_windows_look(path, 0, directory);
  if (number != 0) return number;
  number = file_windows_identify(*directory, &kind, &identity);
  if (number == 0 && kind != FILE_WINDOWS_DIRECTORY) number = ENOTDIR;
  if (number != 0) {
    place_system_close(*directory);
    return number;
  }
  *device = identity.device;
  *inode = identity.inode;
  return 0;
}

/* Windows locks no directories. So the lock is a file that nobody else can open as long as it is
** open, and that is gone when it is closed, even if the process dies. */
int place_system_make_directory(const char *path, bool is_private) {
  wchar_t *wide;
  (void)is_private; /* what a user has is private on Windows */
  int number = wide_path(path, &wide);
  if (number == 0) number = wide_result(CreateDirectoryW(wide, NULL));
  memory_free(wide);
  return number;
}

bool place_system_is_private(const char *path) {
  (void)path; /* as above */
  return true;
}

int place_system_remove_directory(const char *path) {
  wchar_t *wide;
  int number = wide_path(path, &wide);
  if (number == 0) number = wide_result(RemoveDirectoryW(wide));
  memory_free(wide);
  return number;
}

int place_system_lock_directory(int directory, int *lock) {
  char name[64] = "";
  wchar_t *path;
  *lock = -1;
  if (place_system_pretends_to_lack(PLACE_LACKS_LOCKS)) return ENOTSUP;
  strncat(name, program.temporary, sizeof name / 2);
  strcat(name, "lock");
  int number = place_system_windows_path(directory, name, &path);
  if (number != 0) return number;
  HANDLE handle = CreateFileW(path, GENERIC_WRITE | DELETE, 0, NULL, OPEN_ALWAYS,
                              FILE_ATTRIBUTE_HIDDEN | FILE_FLAG_DELETE_ON_CLOSE, NULL);
  number = wide_result(handle != INVALID_HANDLE_VALUE);
  memory_free(path);
  *lock = (int)(intptr_t)handle;
  /* While it is being removed, access is denied. Files could be created here before. */
  return number == ETXTBSY || number == EACCES ? EWOULDBLOCK : number;
}

void place_system_unlock_directory(int lock) {
  place_system_close(lock);
}

int place_system_lock(int descriptor) {
  OVERLAPPED start = {0};
  if (place_system_pretends_to_lack(PLACE_LACKS_LOCKS)) return ENOTSUP;
  if (LockFileEx(wide_handle(descriptor), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1,
                 0, &start)) {
    return 0;
  }
  DWORD problem = GetLastError();
  return problem == ERROR_LOCK_VIOLATION || problem == ERROR_IO_PENDING ? EWOULDBLOCK
                                                                        : wide_error();
}

/* ---- Files ---- */

/* A list by which only the user has access; nothing of the directory's is added to it. LocalFree()
** releases it. */
static int place_system_windows_private(ACL **list, SECURITY_DESCRIPTOR *descriptor) {
  wchar_t user[] = L"CURRENT_USER"; /* a name that stands for the one who runs the process */
  EXPLICIT_ACCESSW access;
  BuildExplicitAccessWithNameW(&access, user, FILE_ALL_ACCESS, SET_ACCESS, NO_INHERITANCE);
  DWORD problem = SetEntriesInAclW(1, &access, NULL, list);
  SetLastError(problem);
  if (problem != ERROR_SUCCESS) return wide_error();
  InitializeSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION);
  SetSecurityDescriptorDacl(descriptor, TRUE, *list, FALSE);
  SetSecurityDescriptorControl(descriptor, SE_DACL_PROTECTED, SE_DACL_PROTECTED);
  return 0;
}

int place_system_create(int directory, const char *name, bool is_private, int *descriptor) {
  SECURITY_DESCRIPTOR private;
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security, .lpSecurityDescriptor = &private};
  ACL *list = NULL;
  wchar_t *path;
  *descriptor = -1;
  int number = place_system_windows_path(directory, name, &path);
  if (number == 0 && is_private) number = place_system_windows_private(&list, &private);
  if (number == 0) {
    HANDLE handle =
        CreateFileW(path, GENERIC_READ | GENERIC_WRITE | WRITE_DAC,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    is_private ? &security : NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    *descriptor = (int)(intptr_t)handle;
    number = wide_result(handle != INVALID_HANDLE_VALUE);
  }
  LocalFree(list);
  memory_free(path);
  return number;
}

int place_system_create_nameless(int directory, bool is_private, int *descriptor) {
  (void)directory, (void)is_private, (void)descriptor;
  return ENOTSUP;
}

int place_system_name(int descriptor, int directory, const char *name) {
  (void)descriptor, (void)directory, (void)name;
  return ENOTSUP;
}

/* Opens a name in a directory, without following links. */
static int place_system_windows_open(int directory, const char *name, DWORD access,
                                     int *descriptor) {
  wchar_t *path;
  *descriptor = -1;
  int number = place_system_windows_path(directory, name, &path);
  if (number != 0) return number;
  number = wide_open(path, access, OPEN_EXISTING,
                     FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS, descriptor);
  memory_free(path);
  return number;
}

int place_system_open(int directory, const char *name, int *descriptor) {
  FileIdentity identity;
  int number = place_system_windows_open(directory, name, GENERIC_READ | GENERIC_WRITE, descriptor);
  if (number == EACCES || number == EROFS || number == ETXTBSY) {
    number = place_system_windows_open(directory, name, GENERIC_READ, descriptor);
  }
  if (number != 0) return number;
  number = wide_is_link(*descriptor)
               ? ELOOP
               : place_system_windows_identify_regular(*descriptor, EINVAL, &identity);
  if (number != 0) place_system_close(*descriptor);
  return number;
}

int place_system_identify(int directory, const char *name, FileIdentity *identity) {
  int descriptor;
  int number = place_system_windows_open(directory, name, FILE_READ_ATTRIBUTES, &descriptor);
  if (number != 0) return number;
  number = wide_is_link(descriptor)
               ? ENOENT
               : place_system_windows_identify_regular(descriptor, ENOENT, identity);
  place_system_close(descriptor);
  return number;
}

static bool place_system_windows_standard(int descriptor, FILE_STANDARD_INFO *standard) {
  return GetFileInformationByHandleEx(wide_handle(descriptor), FileStandardInfo, standard,
                                      sizeof *standard);
}

bool place_system_has_name(int descriptor) {
  FILE_STANDARD_INFO standard;
  return place_system_windows_standard(descriptor, &standard) && !standard.DeletePending &&
         standard.NumberOfLinks > 0;
}

int place_system_remove(int directory, const char *name) {
  wchar_t *path;
  int number = place_system_windows_path(directory, name, &path);
  if (number == 0) number = wide_result(DeleteFileW(path));
  memory_free(path);
  return number;
}

void place_system_discard(int directory, const char *name, int descriptor) {
  if (descriptor >= 0) place_system_close(descriptor);
  if (name != NULL) place_system_remove(directory, name);
}

/* Renames write through, so there is nothing to be done for a directory. */
int place_system_sync(int descriptor) {
  FILE_STANDARD_INFO standard;
  if (place_system_windows_standard(descriptor, &standard) && standard.Directory) return 0;
  return wide_result(FlushFileBuffers(wide_handle(descriptor)));
}

/* ---- Moving ---- */

typedef int PlaceSystemWindowsTwo(const wchar_t *from, const wchar_t *to);

/* Programs that look at every new file, as scanners of viruses do, keep it for a moment. */
enum { PLACE_SYSTEM_WINDOWS_ATTEMPTS = 8 };
static const int64_t place_system_windows_pause = 25000000; /* nanoseconds */

/* Calls a function with the paths of two names in a directory. */
static int place_system_windows_with_two(int directory, const char *from, const char *to,
                                         PlaceSystemWindowsTwo *call) {
  wchar_t *from_path, *to_path = NULL;
  int number = place_system_windows_path(directory, from, &from_path);
  if (number == 0) number = place_system_windows_path(directory, to, &to_path);
  if (number == 0) number = call(from_path, to_path);
  for (int i = 1; i < PLACE_SYSTEM_WINDOWS_ATTEMPTS && number == ETXTBSY; i++) {
    clock_sleep(place_system_windows_pause);
    number = call(from_path, to_path);
  }
  memory_free(from_path);
  memory_free(to_path);
  return number;
}

int place_system_exchange(int directory, const char *a, const char *b) {
  (void)directory, (void)a, (void)b;
  return ENOSYS;
}

static int place_system_windows_move(const wchar_t *from, const wchar_t *to) {
  return wide_result(MoveFileExW(from, to, MOVEFILE_WRITE_THROUGH));
}

int place_system_move(int directory, const char *from, const char *to) {
  return place_system_windows_with_two(directory, from, to, place_system_windows_move);
}

static int place_system_windows_link(const wchar_t *from, const wchar_t *to) {
  return wide_result(CreateHardLinkW(to, from, NULL));
}

int place_system_link(int directory, const char *from, const char *to) {
  if (place_system_pretends_to_lack(PLACE_LACKS_LINKS)) return ENOTSUP;
  return place_system_windows_with_two(directory, from, to, place_system_windows_link);
}

/* Since Windows 10, version 1709, a file can be renamed over one that others have open. */
static int place_system_windows_rename_over(const wchar_t *from, const wchar_t *to) {
  enum { REPLACE_IF_EXISTS = 1, POSIX_SEMANTICS = 2, RENAME_INFO_EX = 22 };
  typedef struct RenameInfo { /* FILE_RENAME_INFO, as newer headers have it */
    DWORD flags;
    HANDLE root;
    DWORD length;
    wchar_t name[];
  } RenameInfo;
  int descriptor;
  size_t length = wcslen(to);
  uint64_t size = sizeof(RenameInfo) + (length + 1) * sizeof *to;
  RenameInfo *info = memory_zeroed(1, size);
  if (info == NULL) return ENOMEM;
  info->flags = REPLACE_IF_EXISTS | POSIX_SEMANTICS;
  info->length = (DWORD)(length * sizeof *to);
  memcpy(info->name, to, (length + 1) * sizeof *to);
  int number = wide_open(from, DELETE | SYNCHRONIZE, OPEN_EXISTING,
                         FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_WRITE_THROUGH, &descriptor);
  if (number == 0) {
    number = wide_result(SetFileInformationByHandle(
        wide_handle(descriptor), (FILE_INFO_BY_HANDLE_CLASS)RENAME_INFO_EX, info, (DWORD)size));
    place_system_close(descriptor);
  }
  memory_free(info);
  return number;
}

/* Takes the old file to another name first, which also works while others have it open or mapped. If
** the other name cannot be removed after that, the next writer here removes it: it is a temporary
** name like that of the new file, with a zero before its number. */
static int place_system_windows_replace_aside(const wchar_t *from, const wchar_t *to) {
  size_t length = wcslen(from);
  wchar_t *aside = memory_alloc((length + 2) * sizeof *aside);
  if (aside == NULL) return ENOMEM;
  memcpy(aside, from, (length + 1) * sizeof *aside);
  wchar_t *number_at = wcsrchr(aside, L'-');
  if (number_at == NULL) number_at = aside + length - 1;
  memmove(number_at + 2, number_at + 1, (wcslen(number_at + 1) + 1) * sizeof *aside);
  number_at[1] = L'0';
  int number = wide_result(ReplaceFileW(to, from, aside, 0, NULL, NULL));
  if (number != 0 && GetFileAttributesW(to) == INVALID_FILE_ATTRIBUTES) {
    MoveFileExW(aside, to, MOVEFILE_WRITE_THROUGH);
  }
  if (number == 0) DeleteFileW(aside);
  memory_free(aside);
  return number;
}

static int place_system_windows_replace(const wchar_t *from, const wchar_t *to) {
  int number = place_system_windows_rename_over(from, to);
  if (number == 0 || number == ENOENT) return number;
  if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) return 0;
  number = wide_error();
  return number == EACCES || number == ETXTBSY ? place_system_windows_replace_aside(from, to)
                                               : number;
}

int place_system_replace(int directory, const char *from, const char *to) {
  return place_system_windows_with_two(directory, from, to, place_system_windows_replace);
}

/* ---- Attributes ---- */

/* If the new file's list cannot be set, it stays the one that it was created with, by which only the
** owner has access. */
static void place_system_windows_keep_list(int from, int to) {
  ACL *list = NULL;
  SECURITY_DESCRIPTOR *descriptor = NULL;
  SECURITY_DESCRIPTOR_CONTROL control = 0;
  DWORD revision, what = DACL_SECURITY_INFORMATION;
  if (GetSecurityInfo(wide_handle(from), SE_FILE_OBJECT, what, NULL, NULL, &list, NULL,
                      (PSECURITY_DESCRIPTOR *)&descriptor) != ERROR_SUCCESS) {
    return;
  }
  GetSecurityDescriptorControl(descriptor, &control, &revision);
  what |= (control & SE_DACL_PROTECTED) != 0 ? PROTECTED_DACL_SECURITY_INFORMATION
                                             : UNPROTECTED_DACL_SECURITY_INFORMATION;
  SetSecurityInfo(wide_handle(to), SE_FILE_OBJECT, what, NULL, NULL, list, NULL);
  LocalFree(descriptor);
}

int place_system_keep_attributes(int from, int to) {
  enum {
    KEPT = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE |
           FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
  };
  FILE_BASIC_INFO basic;
  place_system_windows_keep_list(from, to);
  if (!GetFileInformationByHandleEx(wide_handle(from), FileBasicInfo, &basic, sizeof basic)) {
    return wide_error();
  }
  FILE_BASIC_INFO kept = {.CreationTime = basic.CreationTime}; /* zeros change nothing */
  kept.FileAttributes = basic.FileAttributes & KEPT;
  SetFileInformationByHandle(wide_handle(to), FileBasicInfo, &kept, sizeof kept);
  return 0;
}

#endif
