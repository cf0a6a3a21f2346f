#include "model/file_record.h"

#include <errno.h>

#include "base/file_origin.h"
#include "base/file_system.h"
#include "base/system_error.h"

bool file_record_raise_changed(const char *path, const char *how, Error *error) {
  return error_raise(error, ERROR_CHANGED, path,
                     "expected the file as it was when it was opened, found it %s; run the "
                     "statement again",
                     how);
}

static bool file_record_is_same(const File *file, const FileIdentity *now) {
  return file->identity.device == now->device && file->identity.inode == now->inode;
}

/* The time of the last status change is ignored, because a new hard link or mode changes it,
** too. */
bool file_record_check(const File *file, const FileIdentity *now, const char *path, Error *error) {
  if (!file_record_is_same(file, now)) return file_record_raise_changed(path, "replaced", error);
  if (now->size < file->identity.size) return file_record_raise_changed(path, "cut short", error);
  if (now->size != file->identity.size || now->modified != file->identity.modified) {
    return file_record_raise_changed(path, "overwritten", error);
  }
  return true;
}

int file_record_open(const File *file, const char *path, Error *error) {
  FileIdentity now;
  int descriptor = file_open(path, &now, error);
  if (descriptor < 0) return -1;
  if (file_record_check(file, &now, path, error)) return descriptor;
  file_close(descriptor);
  return -1;
}

bool file_record_check_descriptor(const File *file, int descriptor, const char *path,
                                  Error *error) {
  FileIdentity now;
  return file_identify_descriptor(descriptor, path, &now, error) &&
         file_record_check(file, &now, path, error);
}

bool file_record_check_within(int descriptor, const char *path, const PathList *directories,
                              Error *error) {
  FileOrigin origin;
  int number;
  if (directories == NULL || directories->count == 0) return true;
  if (file_origin_find(descriptor, &origin)) return true; /* a file of the network is no link */
  switch (file_system_place(descriptor, directories, &number)) {
    case FILE_PLACE_INSIDE: return true;
    case FILE_PLACE_OUTSIDE:
      return error_raise(
          error, ERROR_INVALID, path,
          "expected a file within the index's directory, found a link that leaves it, which "
          "safetensors_config('links', 'within') forbids");
    default:
      if (number == ENOMEM) return error_memory(error);
      return system_error_raise(error, path,
                                "find out where the file lies that was opened, which "
                                "safetensors_config('links', 'within') needs",
                                number);
  }
}
