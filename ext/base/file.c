#include "base/file.h"

bool file_identity_unchanged(const FileIdentity *a, const FileIdentity *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->modified == b->modified;
}

bool file_identity_equal(const FileIdentity *a, const FileIdentity *b) {
  return file_identity_unchanged(a, b) && a->changed == b->changed;
}
