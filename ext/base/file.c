#include "base/file.h"

#include "base/file_origin.h"
#include "base/system_error.h"

enum { FILE_MAX_CHUNK = 1 << 30 }; /* in one call, since no system reads 2 GiB at once */

bool file_identity_unchanged(const FileIdentity *a, const FileIdentity *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->modified == b->modified;
}

bool file_identity_equal(const FileIdentity *a, const FileIdentity *b) {
  return file_identity_unchanged(a, b) && a->changed == b->changed;
}

bool file_read(int descriptor, const char *path, void *buffer, uint64_t size, uint64_t offset,
               Error *error) {
  char *at = buffer;
  uint64_t left = size;
  if (!file_origin_fetch(descriptor, offset, size, error)) return false;
  while (left > 0) {
    uint32_t got, chunk = left < FILE_MAX_CHUNK ? (uint32_t)left : FILE_MAX_CHUNK;
    int number = file_read_some(descriptor, at, chunk, offset, &got);
    if (number != 0) return system_error_raise(error, path, "read", number);
    if (got == 0) {
      return error_raise(error, ERROR_CHANGED, path,
                         "expected %llu bytes more at offset %llu, found the end of the file: it "
                         "was cut short while being read; run the statement again",
                         (unsigned long long)left, (unsigned long long)offset);
    }
    at += got;
    offset += got;
    left -= got;
  }
  return true;
}
