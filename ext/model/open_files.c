#include "model/open_files.h"

#include <stdatomic.h>

#include "base/file.h"
#include "base/file_system.h"
#include "base/machine.h"
#include "base/mapping.h"

/*
** Limits for the whole process, so that many connections together leave enough to the host: an
** eighth of the descriptors that the system allows, and a quarter of the mappings. (Threads and
** large allocations of the host are mappings, too.)
*/
enum {
  OPEN_FILES_MAX_DESCRIPTORS = 64,
  OPEN_FILES_DESCRIPTOR_SHARE = 8,
  OPEN_FILES_MAX_MAPPINGS = 16384,
  OPEN_FILES_MAPPING_SHARE = 4
};

static _Atomic(size_t) open_files_all_descriptors, open_files_all_mappings;

static uint64_t open_files_min(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* ---- The list of files with a descriptor ---- */

static void open_files_unlink_file(OpenFiles *files, File *file) {
  OpenFile *open = &file->open;
  if (open->newer != NULL) open->newer->open.older = open->older;
  if (open->older != NULL) open->older->open.newer = open->newer;
  if (files->newest == file) files->newest = open->older;
  if (files->oldest == file) files->oldest = open->newer;
  open->newer = open->older = NULL;
}

static void open_files_link_file(OpenFiles *files, File *file) {
  file->open.older = files->newest;
  if (files->newest != NULL) files->newest->open.newer = file;
  files->newest = file;
  if (files->oldest == NULL) files->oldest = file;
}

/* ---- Closing ---- */

static void open_files_unmap(File *file) {
  mapping_unmap(file->open.data, file->identity.size);
  pages_free(file->open.pages);
  file->open.data = NULL;
  file->open.pages = NULL;
  atomic_fetch_sub(&open_files_all_mappings, 1);
}

/* A mapping is not kept without the descriptor by which its file is checked. */
static void open_files_let_go(OpenFiles *files, File *file) {
  if (file->open.data != NULL && !file->open.handed_out) {
    open_files_unmap(file);
    files->mappings--;
  }
  if (file->open.descriptor < 0) return;
  open_files_unlink_file(files, file);
  file_close(file->open.descriptor);
  file->open.descriptor = -1;
  file->open.passed = false;
  files->descriptors--;
  atomic_fetch_sub(&open_files_all_descriptors, 1);
}

/* Closes descriptors, the least recently used first, until at most `max` are kept. Those in use
** stay. */
static void open_files_keep_descriptors(OpenFiles *files, uint64_t max) {
  for (File *file = files->oldest, *newer; file != NULL && files->descriptors > max; file = newer) {
    newer = file->open.newer;
    if (file->open.uses == 0) open_files_let_go(files, file);
  }
}

static void open_files_keep_mappings(OpenFiles *files, uint32_t max) {
  for (File *file = files->oldest; file != NULL && files->mappings > max; file = file->open.newer) {
    if (file->open.uses > 0 || file->open.data == NULL || file->open.handed_out) continue;
    open_files_unmap(file);
    files->mappings--;
  }
}

void open_files_unmap_idle(OpenFiles *files) {
  open_files_keep_mappings(files, 0);
}

/* Called when a use has ended. */
static void open_files_keep_few(OpenFiles *files) {
  if (files->share == 0) files->share = machine_max_descriptors() / OPEN_FILES_DESCRIPTOR_SHARE;
  uint64_t max = files->leased ? open_files_min(files->share, OPEN_FILES_MAX_DESCRIPTORS) : 0;
  uint64_t others = atomic_load(&open_files_all_descriptors) - files->descriptors;
  open_files_keep_descriptors(files, max > others ? max - others : open_files_min(max, 1));
  open_files_keep_mappings(files, OPEN_FILES_KEPT);
}

void open_files_forget(OpenFiles *files, File *file) {
  if (file->open.uses == 0) open_files_let_go(files, file);
}

File *open_files_end(OpenFiles *files) {
  File *handed_out = files->handed_out;
  for (File *file = handed_out; file != NULL; file = file->open.next_handed_out) {
    file->open.handed_out = false;
    files->mappings++;
    if (file->open.uses == 0) open_files_let_go(files, file);
  }
  files->handed_out = NULL;
  files->share = 0;
  open_files_keep_descriptors(files, 0);
  return handed_out;
}

/* ---- Opening ---- */

bool open_files_identify(const OpenFiles *files, const char *path, FileIdentity *identity,
                         Error *error) {
  return network_has(files->network, path) ? network_identify(files->network, path, identity, error)
                                           : file_identify(path, identity, error);
}

bool open_files_list(const OpenFiles *files, const char *directory, PathList *names, Cancel *cancel,
                     Error *error) {
  return network_has(files->network, directory)
             ? network_list(files->network, directory, names, error)
             : file_system_list(directory, names, cancel, error);
}

int open_files_open(OpenFiles *files, const char *path, FileIdentity *identity, Error *error) {
  Error first = {0};
  if (network_has(files->network, path)) return network_open(files->network, path, identity, error);
  int descriptor = file_open(path, identity, &first);
  uint32_t kept = files->descriptors;
  if (descriptor < 0 && first.code == ERROR_RESOURCE) open_files_keep_descriptors(files, 0);
  if (descriptor < 0 && files->descriptors < kept) {
    error_clear(&first);
    descriptor = file_open(path, identity, &first);
  }
  if (descriptor < 0) error_repeat(error, &first);
  error_clear(&first);
  return descriptor;
}

static void open_files_take_descriptor(OpenFiles *files, File *file, int descriptor) {
  file->open.descriptor = descriptor;
  files->descriptors++;
  atomic_fetch_add(&open_files_all_descriptors, 1);
  open_files_link_file(files, file);
}

void open_files_adopt(OpenFiles *files, File *file, int descriptor) {
  open_files_take_descriptor(files, file, descriptor);
  open_files_keep_few(files);
}

bool open_file_check(const File *file, const char *path, Error *error) {
  return file_record_check_descriptor(file, file->open.descriptor, path, error);
}

/* Opens the file of which the header was read. That it is gone by now is no error of the path. */
static int open_files_open_again(OpenFiles *files, const File *file, const char *path,
                                 Error *error) {
  FileIdentity now;
  int descriptor = open_files_open(files, path, &now, error);
  if (descriptor < 0) {
    if (error->code != ERROR_MISSING) return -1;
    error_clear(error);
    file_record_raise_changed(path, "removed", error);
    return -1;
  }
  if (file_record_check(file, &now, path, error)) return descriptor;
  file_close(descriptor);
  return -1;
}

bool open_file_begin(OpenFiles *files, File *file, const char *path, Error *error) {
  if (file->open.descriptor >= 0 && !open_file_check(file, path, error)) return false;
  return open_file_begin_reading(files, file, path, error);
}

bool open_file_begin_reading(OpenFiles *files, File *file, const char *path, Error *error) {
  if (file->open.descriptor >= 0) {
    open_files_unlink_file(files, file);
    open_files_link_file(files, file);
  } else {
    int descriptor = open_files_open_again(files, file, path, error);
    if (descriptor < 0) return false;
    open_files_take_descriptor(files, file, descriptor);
  }
  file->open.uses++;
  return true;
}

void open_file_end(OpenFiles *files, File *file) {
  if (--file->open.uses == 0) open_files_keep_few(files);
}

/* ---- Mapping ---- */

static bool open_files_take_room(void) {
  uint64_t max =
      open_files_min(machine_max_mappings() / OPEN_FILES_MAPPING_SHARE, OPEN_FILES_MAX_MAPPINGS);
  if (atomic_fetch_add(&open_files_all_mappings, 1) < max) return true;
  atomic_fetch_sub(&open_files_all_mappings, 1);
  return false;
}

bool open_file_is_wanted_again(File *file) {
  bool again = file->open.passed;
  file->open.passed = true;
  return again;
}

bool open_file_map(OpenFiles *files, File *file) {
  Error error = {0};
  if (file->open.data != NULL) return true;
  if (!open_files_take_room()) return false;
  for (int attempt = 0; attempt < 2 && file->open.data == NULL; attempt++) {
    if (attempt > 0) open_files_keep_mappings(files, 0);
    file->open.data = mapping_map(file->open.descriptor, "", file->identity.size, &error);
    error_clear(&error);
  }
  if (file->open.data == NULL) {
    atomic_fetch_sub(&open_files_all_mappings, 1);
    return false;
  }
  file->open.pages = pages_new(file->identity.size);
  files->mappings++;
  return true;
}

void open_file_keep_mapped(OpenFiles *files, File *file) {
  if (file->open.handed_out) return;
  file->open.handed_out = true;
  file->open.next_handed_out = files->handed_out;
  files->handed_out = file;
  files->mappings--;
}
