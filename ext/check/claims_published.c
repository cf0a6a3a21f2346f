/* What the hub publishes about the files of a repository, and this machine's copies of them. */
#include <string.h>

#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "check/claims.h"
#include "model/path_form.h"

/* The path of a published file below the place that `address` is, or its name; NULL if it is none of those meant. False if
** memory runs out. */
static bool published_below(const char *address, const char *path, const char **below) {
  size_t length = strlen(address);
  PathMatch match = PATH_MATCH_NONE;
  *below = NULL;
  if (strcmp(path, address) == 0) {
    *below = path_name(path);
  } else if (strncmp(path, address, length) == 0 && path[length] == '/') {
    *below = path + length + 1;
  } else if (glob_is_pattern(address)) {
    if (!path_form_match(address, path, &match)) return false;
    if (match != PATH_MATCH_NONE) *below = path_name(path);
  }
  return true;
}

/* Of the files that were named one by one, the one with that name; or the only one, if one file alone is meant. */
static const char *published_find_named(const PathList *files, const char *name, bool is_alone) {
  if (is_alone && files->count == 1) return files->paths[0];
  for (uint32_t i = 0; i < files->count; i++) {
    if (strcmp(path_name(files->paths[i]), path_name(name)) == 0) return files->paths[i];
  }
  return NULL;
}

/* Sets *file to the file of this machine that a published one is compared with, or to NULL. */
static bool published_counterpart(const Claims *claims, const ClaimFiles *files, const char *path,
                                  const char *below, bool is_alone, bool of_copies, char **file,
                                  Error *error) {
  const char *named = files->directory == NULL && !of_copies
                          ? published_find_named(&files->files, below, is_alone)
                          : NULL;
  *file = NULL;
  if (of_copies) {
    *file = path_form_here(path, session_network(claims->session), session_cancel(claims->session),
                           error);
    if (*file == NULL) return false;
  } else if (files->directory != NULL || named != NULL) {
    *file =
        named != NULL ? memory_copy_text(named, strlen(named)) : path_join(files->directory, below);
    if (*file == NULL) return error_memory(error);
  }
  bool is_here = *file != NULL && !network_is_address(*file) && file_system_exists(*file);
  if (!is_here) memory_free(*file);
  if (!is_here) *file = NULL;
  return true;
}

static bool published_add(Claims *claims, const char *file, const char *digest, bool is_here,
                          Error *error) {
  uint64_t length = strlen(digest);
  ClaimAlgorithm algorithm = length == 64 ? CLAIM_SHA256 : length == 40 ? CLAIM_GIT : CLAIM_UNKNOWN;
  if (!claims_add(claims, file, CLAIM_HUB_LIST, algorithm, digest, length, error)) return false;
  if (!is_here) claims->all[claims->count - 1]->problem = "it is not on this machine";
  return true;
}

/* One file of the list. */
static bool published_take(Claims *claims, const char *address, const char *path, ClaimFiles *files,
                           bool of_copies, Error *error) {
  NetworkListed listed;
  const char *below;
  char *file;
  if (!published_below(address, path, &below)) return error_memory(error);
  if (below == NULL || !network_listed(session_network(claims->session), path, &listed))
    return true;
  if (!published_counterpart(claims, files, path, below, strcmp(path, address) == 0, of_copies,
                             &file, error))
    return false;
  bool good = true, is_asked = of_copies || files->directory != NULL;
  if (file != NULL) {
    good = published_add(claims, file, listed.digest, true, error) &&
           (!of_copies || path_list_add(&files->files, NULL, file) || error_memory(error));
  } else if (is_asked) {
    good = published_add(claims, path, listed.digest, false, error);
  }
  memory_free(file);
  return good;
}

bool claims_add_published(Claims *claims, const char *address, ClaimFiles *files, bool of_copies,
                          Error *error) {
  PathList found = {0};
  Cancel *cancel = session_cancel(claims->session);
  char *place = memory_copy_text(address, strlen(address));
  if (place == NULL) return error_memory(error);
  for (size_t length = strlen(place); length > 0 && place[length - 1] == '/';) {
    place[--length] = '\0';
  }
  bool good = network_find_files(session_network(claims->session), place, &found, error);
  for (uint32_t i = 0; good && i < found.count; i++) {
    good = cancel_go_on(cancel, address, error) &&
           published_take(claims, place, found.paths[i], files, of_copies, error);
  }
  path_list_clear(&found);
  memory_free(place);
  return good;
}
