#include "format/checkpoint.h"

#include <string.h>

#include "base/memory.h"
#include "format/signature.h"

struct Checkpoint {
  Store *store;
  char *path;
  File *file;
  const unsigned char *blob;
  uint64_t blob_size;
  Header *blob_header;
};

Checkpoint *checkpoint_open_path(Store *store, const char *path, uint64_t length, Error *error) {
  if (memchr(path, '\0', (size_t)length) != NULL) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a path without NUL characters");
    return NULL;
  }
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint != NULL) checkpoint->path = memory_copy_text(path, length);
  if (checkpoint == NULL || checkpoint->path == NULL) {
    memory_free(checkpoint);
    error_memory(error);
    return NULL;
  }
  checkpoint->store = store;
  return checkpoint;
}

Checkpoint *checkpoint_open_blob(Store *store, const unsigned char *blob, uint64_t size,
                                 Error *error) {
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint == NULL) {
    error_memory(error);
    return NULL;
  }
  checkpoint->store = store;
  checkpoint->blob = blob;
  checkpoint->blob_size = size;
  return checkpoint;
}

void checkpoint_close(Checkpoint *checkpoint) {
  if (checkpoint == NULL) return;
  store_unpin(checkpoint->store, checkpoint->file);
  header_free(checkpoint->blob_header);
  memory_free(checkpoint->path);
  memory_free(checkpoint);
}

uint32_t checkpoint_member_count(const Checkpoint *checkpoint) {
  (void)checkpoint;
  return 1;
}

static const char blob_subject[] = "BLOB";

static bool open_blob(Checkpoint *checkpoint, Member *member, Error *error) {
  member->size = checkpoint->blob_size;
  if (checkpoint->blob_header == NULL) {
    uint64_t length;
    if (!header_length(checkpoint->blob, checkpoint->blob_size, &length)) {
      uint64_t size =
          checkpoint->blob_size < SIGNATURE_SIZE ? checkpoint->blob_size : SIGNATURE_SIZE;
      return header_refuse(checkpoint->blob, size, checkpoint->blob_size, blob_subject, error);
    }
    char *text = memory_alloc(length);
    if (text == NULL) return error_memory(error);
    memcpy(text, checkpoint->blob + HEADER_PREFIX_SIZE, (size_t)length);
    checkpoint->blob_header =
        header_parse(text, length, checkpoint->blob_size, blob_subject, error);
  }
  member->header = checkpoint->blob_header;
  return member->header != NULL;
}

static bool open_file(Checkpoint *checkpoint, Member *member, Error *error) {
  member->path = checkpoint->path;
  if (checkpoint->file == NULL) {
    checkpoint->file = store_open(checkpoint->store, checkpoint->path, error);
  }
  if (checkpoint->file == NULL) {
    FileIdentity identity;
    Error unimportant = {0};
    if (platform_identify(checkpoint->path, &identity, &unimportant)) {
      member->size = identity.size;
    }
    error_clear(&unimportant);
    return false;
  }
  member->file = checkpoint->file;
  member->size = checkpoint->file->identity.size;
  member->header = checkpoint->file->header;
  return true;
}

bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error) {
  (void)number;
  *member = (Member){0};
  if (checkpoint->path == NULL) return open_blob(checkpoint, member, error);
  return open_file(checkpoint, member, error);
}

const unsigned char *checkpoint_tensor_data(const Checkpoint *checkpoint, const Member *member,
                                            const TensorEntry *entry, Error *error) {
  static const unsigned char nothing[1] = {0};
  uint64_t offset = header_data_offset(member->header) + entry->begin;
  if (entry->begin == entry->end) return nothing;
  if (member->file == NULL) return checkpoint->blob + offset;
  if (!store_map(member->file, member->path, error)) return NULL;
  return member->file->data + offset;
}
