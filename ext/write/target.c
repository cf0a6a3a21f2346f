#include "write/target.h"

#include <string.h>

#include "base/file.h"
#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_text.h"
#include "format/index.h"
#include "format/shards.h"
#include "format/signature.h"
#include "model/address.h"
#include "model/hub.h"

static const char target_suffix[] = ".safetensors";

/* ---- Paths ---- */

static bool target_ends_with(const char *path, const char *suffix) {
  size_t length = strlen(path), suffix_length = strlen(suffix);
  return length > suffix_length && strcmp(path + length - suffix_length, suffix) == 0 &&
         !path_is_separator(path[length - suffix_length - 1]);
}

const char *target_path_problem(const char *path, uint64_t length) {
  if (length == 0) return "expected the path of a file to write, found an empty one";
  if (memchr(path, '\0', (size_t)length) != NULL) return "expected a path without NUL characters";
  if (hub_is_address(path)) {
    return "expected the path of a file to write, found an address of the Hugging Face Hub, which "
           "is "
           "only read";
  }
  if (address_is(path)) {
    return "expected the path of a file to write, found an address of the network, which is only "
           "read";
  }
  if (!target_ends_with(path, target_suffix) && !shards_is_index_path(path)) {
    return "expected a path that ends in .safetensors, or in .safetensors.index.json for a model "
           "in "
           "shards";
  }
  return NULL;
}

bool target_can_be_edited(const char *path) {
  return target_path_problem(path, strlen(path)) == NULL &&
         (!glob_is_pattern(path) || file_system_exists(path));
}

/* ---- Targets ---- */

/* Returns the path that a text stands for, unescaped if that exists: see base/path_text.h.
** Returns NULL if memory runs out. */
static char *target_path_of(const char *text) {
  bool out_of_memory;
  char *path = path_text_unescape(text, &out_of_memory);
  if (out_of_memory || (path != NULL && file_system_exists(path))) return path;
  memory_free(path);
  return memory_copy_text(text, strlen(text));
}

static Target *target_new(const char *path, Error *error) {
  Target *target = memory_zeroed(1, sizeof *target);
  if (target == NULL) {
    error_memory(error);
    return NULL;
  }
  target->references = 1;
  target->is_index = shards_is_index_path(path);
  target->path = target_path_of(path);
  if (target->path == NULL) {
    error_memory(error);
  } else if (file_system_locate(target->path, &target->location, error)) {
    return target;
  }
  memory_free(target->path);
  memory_free(target);
  return NULL;
}

static void target_free(Target *target) {
  pending_clear(&target->pending);
  pending_clear(&target->before);
  spool_release(target->spool);
  memory_free(target->options.given);
  memory_free(target->options.metadata);
  memory_free(target->location.path);
  memory_free(target->path);
  memory_free(target);
}

Target *target_find(Target **targets, const char *path, Error *error) {
  Target *found = target_new(path, error);
  if (found == NULL) return NULL;
  for (Target *target = *targets; target != NULL; target = target->next) {
    if (target->location.device == found->location.device &&
        target->location.inode == found->location.inode &&
        strcmp(target->location.name, found->location.name) == 0) {
      target_free(found);
      target->references++;
      return target;
    }
  }
  for (const Target *target = *targets; target != NULL; target = target->next) {
    if (target->number >= found->number) found->number = target->number + 1;
  }
  found->next = *targets;
  *targets = found;
  return found;
}

/* Frees the targets without references, except the first `max` of them. */
static void target_free_some(Target **targets, int max) {
  for (Target **link = targets; *link != NULL;) {
    Target *target = *link;
    if (target->references > 0 || max-- > 0) {
      link = &target->next;
    } else {
      *link = target->next;
      target_free(target);
    }
  }
}

void target_free_idle(Target **targets) {
  target_free_some(targets, 0);
}

/* A target that was never loaded has no row numbers to keep, so it is freed at once. */
void target_release(Target **targets, Target *target) {
  if (target == NULL || --target->references > 0) return;
  Target **link = targets;
  while (*link != target) link = &(*link)->next;
  *link = target->next;
  if (target->pending.tensors == NULL) {
    target_free(target);
    return;
  }
  target->next = *targets;
  *targets = target;
  target_free_some(targets, TARGET_MAX_IDLE);
}

/* ---- Who may ---- */

static bool target_check_connection(const char *path, Session *session, Error *error) {
  enum {
    TARGET_MINIMUM_SQLITE = 3040000
  }; /* in older versions SQLITE_DIRECTONLY does not keep triggers out */
  if (session_settings(session)->writing == WRITING_OFF) {
    return error_raise(error, ERROR_READ_ONLY, path,
                       "expected a connection that may write files, found one on which "
                       "safetensors_config('writing', 'off') was said");
  }
  if (sqlite3_libversion_number() < TARGET_MINIMUM_SQLITE) {
    return error_raise(error, ERROR_READ_ONLY, path,
                       "expected SQLite 3.40.0 or newer for writing files, found %s, in which a "
                       "trigger of somebody's database could write them, too",
                       sqlite3_libversion());
  }
  return true;
}

bool target_make_directory(const char *path, Session *session, MadeDirectory **made, Error *error) {
  if (!target_check_connection(path, session, error)) return false;
  char *unescaped = target_path_of(path);
  char *directory = unescaped != NULL ? path_directory(unescaped) : NULL;
  bool good = directory == NULL
                  ? error_memory(error)
                  : directory[0] == '\0' || made_directory_make(made, directory, path, error);
  memory_free(directory);
  memory_free(unescaped);
  return good;
}

bool target_check_permission(const Target *target, Session *session, Error *error) {
  if (!target_check_connection(target->path, session, error)) return false;
  if (hub_is_blob(target->location.path)) {
    return error_raise(
        error, ERROR_READ_ONLY, target->path,
        "expected the path of a file to write, found one in the blobs of a Hugging Face "
        "cache, or a link to it: others use it, and its name is its digest; copy it "
        "first");
  }
  return true;
}

/* Returns why the file that begins with these bytes must not be replaced, or NULL. */
static const char *target_contents_problem(const Target *target, const unsigned char *first,
                                           uint64_t size) {
  if (size == 0) return NULL;
  if (target->is_index) return index_start_problem((const char *)first, size, NULL);
  return header_is_plausible(first, size) ? NULL : "something else";
}

bool target_check_contents(const Target *target, Error *error) {
  unsigned char first[SIGNATURE_SIZE];
  FileIdentity identity;
  int descriptor = file_open(target->location.path, &identity, error);
  if (descriptor < 0) return false;
  uint64_t size = identity.size < sizeof first ? identity.size : sizeof first;
  bool good = file_read(descriptor, target->path, first, size, 0, error);
  file_close(descriptor);
  if (!good) return false;
  const char *problem = target_contents_problem(target, first, size);
  return problem == NULL ||
         error_raise(
             error, ERROR_ARGUMENT, target->path,
             "expected a file that is empty or begins as %s does, found %s; only such a file "
             "is replaced",
             target->is_index ? "an index" : "a safetensors file", problem);
}

/* Readers look for shards beside the path that they were given, and shards are written beside
** the file itself. If the path is a link to another directory, one of the two places would have
** an index without its shards. */
bool target_check_link(const Target *target, Error *error) {
  PathLook look;
  if (!target->is_index) return true;
  char *directory = path_directory(target->path);
  if (directory == NULL) return error_memory(error);
  bool good = file_system_look(directory[0] != '\0' ? directory : ".", &look, error);
  memory_free(directory);
  if (!good) return false;
  return (look.device == target->location.device && look.inode == target->location.inode) ||
         error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected an index beside its shards, found a link to one in another "
                     "directory, %s; write that one, or a copy",
                     target->location.path);
}

/* ---- What is pending ---- */

bool target_refresh(Target *target, PendingSources *sources, Error *error) {
  Session *session = sources->session;
  Pending loaded;
  bool looked = session_is_leased(session) && target->looked_at == session_period(session);
  if (target->use != TARGET_UNUSED) return true;
  if (target->pending.tensors != NULL && !target->is_stale &&
      (looked || pending_is_current(&target->pending))) {
    target->looked_at = session_period(session);
    return true;
  }
  const Pending *before = target->pending.tensors != NULL ? &target->pending : NULL;
  if (!pending_load(&loaded, sources, target->path, before, error)) return false;
  pending_clear(&target->pending);
  target->pending = loaded;
  target->is_stale = false;
  target->looked_at = session_period(session);
  return true;
}

void target_end_use(Target *target) {
  if (target->use == TARGET_NEW) {
    pending_clear(&target->pending);
    target->pending = target->before;
    target->before = (Pending){0};
  }
  if (target->is_stale) pending_keep_names(&target->pending);
  spool_release(target->spool);
  memory_free(target->options.given);
  memory_free(target->options.metadata);
  target->spool = NULL;
  target->options = (TargetOptions){0};
  target->has_expected = false;
  target->use = TARGET_UNUSED;
}
