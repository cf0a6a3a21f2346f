/* Which files claims are about, and which are beside them. */
#include <string.h>

#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "check/claims.h"
#include "format/shards.h"

enum { CLAIM_FILES_DEPTH = 64 }; /* directories within each other */

static bool claims_walk_deep(const char *directory, unsigned depth, PathList *files, Cancel *cancel,
                             Error *error) {
  PathList names = {0};
  PathLook look;
  bool good = file_system_list(directory, &names, cancel, error) &&
              path_list_order(&names, cancel, directory, error);
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *name = names.paths[i];
    if (strcmp(name, ".git") == 0 || strcmp(name, ".cache") == 0) continue;
    char *path = path_join(directory, name);
    good = path != NULL || error_memory(error);
    if (!good) break;
    Error found = {0};
    bool looked = file_system_look(path, &look, &found);
    good = claims_forgive(&found, error);
    if (!looked) look.kind = PATH_MISSING;
    if (good && looked && look.kind == PATH_DIRECTORY && !look.is_link &&
        depth < CLAIM_FILES_DEPTH) {
      good = claims_walk_deep(path, depth + 1, files, cancel, error);
    } else if (good && looked && look.kind != PATH_DIRECTORY) {
      good = path_list_add(files, NULL, path) || error_memory(error);
    }
    memory_free(path);
  }
  path_list_clear(&names);
  return good;
}

/* The same of a place of the network, by its list. */
static bool claims_walk_place(const Claims *claims, const char *directory, PathList *files,
                              Error *error) {
  PathList found = {0};
  size_t length = strlen(directory);
  char *place = sqlite3_mprintf("%s/", directory);
  bool good = place != NULL
                  ? network_find_files(session_network(claims->session), place, &found, error)
                  : error_memory(error);
  for (uint32_t i = 0; good && i < found.count; i++) {
    const char *path = found.paths[i];
    if (strncmp(path, directory, length) != 0 || path[length] != '/' ||
        strstr(path + length, "/.git/") != NULL || strstr(path + length, "/.cache/") != NULL)
      continue;
    good = path_list_add(files, NULL, path) || error_memory(error);
  }
  sqlite3_free(place);
  path_list_clear(&found);
  return good;
}

static bool claims_walk(const Claims *claims, const char *directory, PathList *files,
                        Error *error) {
  return claims_is_remote(claims, directory)
             ? claims_walk_place(claims, directory, files, error)
             : claims_walk_deep(directory, 0, files, session_cancel(claims->session), error);
}

/* The names in a directory. The web has no lists, but the usual name may be there. */
static bool claims_list_beside(const Claims *claims, const char *directory, PathList *names,
                               Error *error) {
  Error found = {0};
  const char *listed = directory[0] == '\0' ? "." : directory;
  char *place = claims_is_remote(claims, directory) ? sqlite3_mprintf("%s/", directory) : NULL;
  if (place != NULL && network_is_file(place)) {
    sqlite3_free(place);
    return path_list_add(names, NULL, "SHA256SUMS") || error_memory(error);
  }
  open_files_list(session_open_files(claims->session), place != NULL ? place : listed, names,
                  session_cancel(claims->session), &found);
  sqlite3_free(place);
  return claims_forgive(&found, error);
}

/* Appends the files that a checkpoint of single files is about, and those beside them, which may have
** claims about them. */
static bool claims_list_members(const Claims *claims, Checkpoint *checkpoint, PathList *files,
                                PathList *beside, Error *error) {
  OpenFiles *open_files = session_open_files(claims->session);
  uint32_t count = checkpoint_member_count(checkpoint);
  char *last = NULL;
  bool good = true;
  for (uint32_t i = 0; good && i < count; i++) {
    const char *path = checkpoint_member_path(checkpoint, i);
    if (path == NULL) continue;
    char *directory = path_directory(path);
    good = (directory != NULL && path_list_add(files, NULL, path)) || error_memory(error);
    if (good && (last == NULL || strcmp(last, directory) != 0)) {
      PathList names = {0};
      good = claims_list_beside(claims, directory, &names, error);
      for (uint32_t n = 0; good && n < names.count; n++)
        good = path_list_add(beside, directory[0] == '\0' ? NULL : directory, names.paths[n]) ||
               error_memory(error);
      path_list_clear(&names);
    }
    memory_free(last);
    last = directory;
  }
  memory_free(last);
  const char *index = checkpoint_index_path(checkpoint);
  FileIdentity identity;
  if (good && index == NULL && files->count == 1 &&
      !open_files_identify(open_files, files->paths[0], &identity, error))
    return false;
  if (good && index != NULL) good = path_list_add(files, NULL, index) || error_memory(error);
  return good;
}

/* Whether an address of the network, which is no index, is a place of several files, among which there may be no
** safetensors file. */
static bool claims_is_place(const Claims *claims, const Checkpoint *checkpoint) {
  NetworkListed ignored;
  const char *address = checkpoint_path(checkpoint);
  if (checkpoint_problem(checkpoint) == NULL) return checkpoint_is_directory(checkpoint);
  return !network_is_file(address) && !glob_is_pattern(address) &&
         !network_listed(session_network(claims->session), address, &ignored);
}

/* Sets *directory to the directory that the argument names, or to NULL. A directory with an index stands for
** the index. */
static bool claims_directory(const Claims *claims, const Checkpoint *checkpoint,
                             const char *argument, char **directory, Error *error) {
  const char *path = checkpoint_path(checkpoint);
  bool indexed = checkpoint_index_path(checkpoint) != NULL;
  *directory = NULL;
  if (path == NULL || (indexed && shards_is_index_path(argument))) return true;
  PathKind kind = PATH_MISSING;
  Error found = {0};
  bool remote = claims_is_remote(claims, path);
  if (!indexed && !remote) file_system_kind(path, &kind, &found);
  if (!claims_forgive(&found, error)) return false;
  if (!indexed && remote && claims_is_place(claims, checkpoint)) kind = PATH_DIRECTORY;
  if (!indexed && kind != PATH_DIRECTORY) return true;
  *directory = indexed ? path_directory(path) : memory_copy_text(path, strlen(path));
  return *directory != NULL || error_memory(error);
}

bool claims_find_files(Claims *claims, Checkpoint *checkpoint, const char *argument,
                       ClaimFiles *files, Error *error) {
  if (!claims_directory(claims, checkpoint, argument, &files->directory, error)) return false;
  files->searched = files->directory != NULL;
  return files->directory != NULL
             ? claims_walk(claims, files->directory, &files->files, error)
             : claims_list_members(claims, checkpoint, &files->files, &files->beside, error);
}
