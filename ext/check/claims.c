#include "check/claims.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "base/system_error.h"
#include "format/header.h"
#include "format/shards.h"
#include "model/hub.h"

enum {
  CLAIMS_MAX_LIST = 16 << 20, /* bytes of a list of checksums, or of a bundle */
  CLAIMS_MAX_NOTE = 4 << 10,  /* of a file with one claim */
  CLAIMS_MAX_ABOVE = 16 /* directories above a file in which a hub's client may have made notes */
};

static const char claims_lfs[] = "version https://git-lfs.github.com/spec/v1\n";

const char *claim_source_name(ClaimSource source) {
  static const char *const names[CLAIM_SOURCE_COUNT] = {
      "hub list",
      "hub blob",
      "hub download",
      "lfs pointer",
      "lfs object",
      "sha256 file",
      "checksum list",
      "sshs_model_hash",
      "sshs_legacy_hash",
      "modelspec.hash_sha256",
      "model signing (the signature is not checked)",
      "no claim"};
  return names[source];
}

const char *claim_algorithm_name(ClaimAlgorithm algorithm) {
  static const char *const names[CLAIM_ALGORITHM_COUNT] = {"sha256", "git", "payload", "legacy",
                                                           NULL};
  return names[algorithm];
}

/* ---- The list ---- */

static void claim_free(Claim *claim) {
  memory_free(claim->file);
  memory_free(claim->expected);
  memory_free(claim);
}

void claims_clear(Claims *claims) {
  for (uint64_t i = 0; i < claims->count; i++) claim_free(claims->all[i]);
  memory_free(claims->all);
  memory_free(claims->order);
  *claims = (Claims){0};
}

/* Makes hexadecimal digits comparable. Returns whether the text is so many of them. */
static bool claims_take_digits(char *text, uint64_t length, uint64_t wanted) {
  bool good = length == wanted;
  for (uint64_t i = 0; i < length; i++) {
    if (text[i] >= 'A' && text[i] <= 'F') text[i] = (char)(text[i] - 'A' + 'a');
    good = good && ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'));
  }
  return good;
}

static void claims_judge(Claim *claim, uint64_t length) {
  static const uint64_t digits[CLAIM_ALGORITHM_COUNT] = {64, 40, 64, 8, 0};
  static const char nothing[] = "e3b0c44298fc1c14";
  if (claim->algorithm == CLAIM_UNKNOWN) {
    claim->problem = "the algorithm is not known here";
  } else if (!claims_take_digits(claim->expected, length, digits[claim->algorithm])) {
    claim->algorithm = CLAIM_UNKNOWN;
    claim->problem = "it is no digest of this kind";
  } else if (claim->algorithm == CLAIM_LEGACY && memcmp(claim->expected, nothing, 8) == 0) {
    claim->problem = "it is the digest of nothing: the file was too short for it";
  }
}

static Claim *claims_new(Claims *claims, const char *file, Error *error) {
  bool room =
      memory_reserve((void **)&claims->all, &claims->capacity, claims->count, sizeof(Claim *));
  Claim *claim = room ? memory_zeroed(1, sizeof *claim) : NULL;
  char *copy = claim != NULL ? memory_copy_text(file, strlen(file)) : NULL;
  if (copy == NULL) {
    memory_free(claim);
    error_memory(error);
    return NULL;
  }
  *claim = (Claim){.file = copy, .source = CLAIM_NONE, .algorithm = CLAIM_UNKNOWN};
  claims->all[claims->count++] = claim;
  return claim;
}

bool claims_add(Claims *claims, const char *file, ClaimSource source, ClaimAlgorithm algorithm,
                const char *expected, uint64_t expected_length, Error *error) {
  Claim *claim = claims_new(claims, file, error);
  if (claim == NULL) return false;
  claim->source = source;
  claim->algorithm = algorithm;
  claim->expected = memory_copy_text(expected, expected_length);
  if (claim->expected == NULL) return error_memory(error);
  claims_judge(claim, expected_length);
  return true;
}

/* A claim by the hub or git: the number of digits says which. Others are of no kind that is known. */
static bool claims_add_oid(Claims *claims, const char *file, ClaimSource source, const char *oid,
                           uint64_t length, Error *error) {
  ClaimAlgorithm algorithm = length == 64 ? CLAIM_SHA256 : length == 40 ? CLAIM_GIT : CLAIM_UNKNOWN;
  return claims_add(claims, file, source, algorithm, oid, length, error);
}

/* ---- Small files ---- */

bool claims_forgive(Error *found, Error *error) {
  return error_forgive_if(!error_is_of_system(found->code) && found->code != ERROR_CHANGED, error,
                          found);
}

/* Reads a file of at most `max` bytes. *text is NULL if there is none, or none that may be read; then
** *denied says so, unless it is NULL. */
static bool claims_load(const Claims *claims, const char *path, uint64_t max, char **text,
                        uint64_t *length, bool *denied, Error *error) {
  FileIdentity identity;
  NetworkListed listed;
  Error ignored = {0};
  *text = NULL;
  if (denied != NULL) *denied = false;
  Network *network = session_network(claims->session);
  bool remote = network_has(network, path),
       known = remote && network_listed(network, path, &listed);
  if (known ? listed.size > max : remote && !network_is_file(path)) return true;
  int descriptor = open_files_open(session_open_files(claims->session), path, &identity, &ignored);
  if (descriptor >= 0 && identity.size <= max) {
    *length = identity.size;
    *text = memory_alloc(identity.size + 1);
    bool good = *text != NULL && file_read(descriptor, path, *text, *length, 0, &ignored);
    if (good) (*text)[*length] = '\0';
    if (*text == NULL) error_memory(&ignored);
    if (!good) memory_free(*text);
    if (!good) *text = NULL;
  }
  if (descriptor >= 0) file_close(descriptor);
  if (denied != NULL) *denied = ignored.code == ERROR_DENIED;
  return claims_forgive(&ignored, error);
}

/* The same for DIRECTORY/NAME with something behind it. */
static bool claims_load_at(const Claims *claims, const char *directory, const char *name,
                           const char *behind, uint64_t max, char **text, uint64_t *length,
                           Error *error) {
  *text = NULL;
  const char *joint = directory[0] == '\0' ? "" : path_style_joint(PATH_STYLE_HERE, directory);
  char *path = sqlite3_mprintf("%s%s%s%s", directory, joint, name, behind);
  bool good = path != NULL ? claims_load(claims, path, max, text, length, NULL, error)
                           : error_memory(error);
  sqlite3_free(path);
  return good;
}

/* ---- What is claimed about one file ---- */

static bool claims_of_real_path(Claims *claims, const char *file, Error *error) {
  char *real;
  int number = file_system_real_path(file, &real);
  Error found = {0};
  if (number == ENOMEM) return error_memory(error);
  if (number != 0) system_error_raise(&found, file, "follow the path", number);
  if (number != 0) return claims_forgive(&found, error);
  const char *name = path_name(real);
  bool good = true;
  if (hub_is_blob(real))
    good = claims_add_oid(claims, file, CLAIM_HUB_BLOB, name, strlen(name), error);
  const char *objects = strstr(real, "/.git/lfs/objects/");
  if (good && objects != NULL && strlen(name) == 64)
    good = claims_add_oid(claims, file, CLAIM_LFS_OBJECT, name, 64, error);
  memory_free(real);
  return good;
}

/* The note about a file that has this name below the directory that a hub's client was told. */
static bool claims_of_note(Claims *claims, const char *directory, const char *below,
                           const char *file, bool *found, Error *error) {
  static const char notes[] = ".cache/huggingface/download/";
  char *text, *named = sqlite3_mprintf("%s%s", notes, below);
  uint64_t length;
  *found = false;
  if (named == NULL) return error_memory(error);
  bool good =
      claims_load_at(claims, directory, named, ".metadata", CLAIMS_MAX_NOTE, &text, &length, error);
  sqlite3_free(named);
  if (!good || text == NULL) return good;
  *found = true;
  const char *etag = strchr(text, '\n');
  if (etag != NULL)
    good = claims_add_oid(claims, file, CLAIM_HUB_DOWNLOAD, etag + 1, strcspn(etag + 1, "\r\n"),
                          error);
  memory_free(text);
  return good;
}

/* The notes of the hub's client, which lie in the directory that it was told, above the file. */
static bool claims_of_download(Claims *claims, const char *file, Error *error) {
  const char *below = path_name(file);
  bool found = false;
  char *directory = path_directory(file);
  for (int i = 0; directory != NULL && !found && i < CLAIMS_MAX_ABOVE; i++) {
    bool last = directory[0] == '\0' || path_root(directory) == strlen(directory);
    if (!claims_of_note(claims, directory, below, file, &found, error) || last || found) break;
    char *above = path_directory(directory);
    below = file + (path_name(directory) - directory);
    memory_free(directory);
    directory = above;
  }
  bool memory = directory != NULL;
  memory_free(directory);
  return (memory || error_memory(error)) && error->code == ERROR_NONE;
}

/* The oid of a pointer of git-lfs, or NULL. */
static const char *claims_lfs_oid(const char *text) {
  static const char oid[] = "\noid sha256:";
  if (text == NULL || strncmp(text, claims_lfs, sizeof claims_lfs - 1) != 0) return NULL;
  const char *found = strstr(text, oid);
  return found != NULL && strlen(found) >= sizeof oid - 1 + 64 ? found + sizeof oid - 1 : NULL;
}

/* A pointer in the place of the file. */
static bool claims_of_pointer(Claims *claims, const char *file, Error *error) {
  char *text;
  uint64_t length;
  if (!claims_load(claims, file, CLAIMS_MAX_NOTE, &text, &length, NULL, error)) return false;
  const char *oid = claims_lfs_oid(text);
  bool good = oid == NULL || claims_add_oid(claims, file, CLAIM_LFS_POINTER, oid, 64, error);
  if (good && oid != NULL) claims->all[claims->count - 1]->missing = true;
  memory_free(text);
  return good;
}

static bool claims_of_sha256_file(Claims *claims, const char *file, Error *error) {
  char *text;
  uint64_t length;
  if (!claims_load_at(claims, "", file, ".sha256", CLAIMS_MAX_NOTE, &text, &length, error))
    return false;
  uint64_t digits = text != NULL ? strspn(text, "0123456789abcdefABCDEF") : 0;
  bool alone = text != NULL && digits == 64 && strspn(text + digits, " \t\r\n") == length - digits;
  bool good = !alone || claims_add(claims, file, CLAIM_SHA256_FILE, CLAIM_SHA256, text, 64, error);
  /* With a name behind the digits it is a list of one line, about a file beside it. */
  memory_free(text);
  return good;
}

static bool claims_of_value(Claims *claims, const char *file, const Header *header,
                            const MetadataEntry *entry, Error *error) {
  static const struct {
    const char *key;
    ClaimSource source;
    ClaimAlgorithm algorithm;
  } known[] = {{"sshs_model_hash", CLAIM_MODEL_HASH, CLAIM_PAYLOAD},
               {"sshs_legacy_hash", CLAIM_LEGACY_HASH, CLAIM_LEGACY},
               {"modelspec.hash_sha256", CLAIM_MODELSPEC_HASH, CLAIM_PAYLOAD}};
  const char *key = header->text + entry->key.offset, *value = header->text + entry->value.offset;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strlen(known[i].key) != entry->key.length ||
        memcmp(key, known[i].key, entry->key.length) != 0)
      continue;
    uint64_t skipped = entry->value.length > 2 && memcmp(value, "0x", 2) == 0 ? 2 : 0;
    return claims_add(claims, file, known[i].source, known[i].algorithm, value + skipped,
                      entry->value.length - skipped, error);
  }
  return true;
}

static bool claims_of_metadata(Claims *claims, Session *session, const char *file, Error *error) {
  size_t length = strlen(file);
  static const char ending[] = ".safetensors";
  if (length < sizeof ending || strcmp(file + length - (sizeof ending - 1), ending) != 0)
    return true;
  Error found = {0};
  File *opened = session_open(session, file, &found);
  bool good = true;
  if (opened != NULL) {
    const Header *header = opened->header;
    for (uint32_t i = 0; good && i < header->metadata_count; i++)
      good = claims_of_value(claims, file, header, &header->metadata[i], error);
    session_unpin(session, opened);
  }
  return claims_forgive(&found, error) && good;
}

bool claims_is_remote(const Claims *claims, const char *path) {
  return network_has(session_network(claims->session), path);
}

/* The place of a file of the network says nothing, and no client of the hub makes notes there. */
static bool claims_of_file(Claims *claims, Session *session, const char *file, Error *error) {
  if (claims_is_remote(claims, file)) {
    return claims_of_pointer(claims, file, error) && claims_of_sha256_file(claims, file, error) &&
           claims_of_metadata(claims, session, file, error);
  }
  return claims_of_real_path(claims, file, error) && claims_of_download(claims, file, error) &&
         claims_of_pointer(claims, file, error) && claims_of_sha256_file(claims, file, error) &&
         claims_of_metadata(claims, session, file, error);
}

/* ---- What a file claims about others ---- */

static bool claims_has_ending(const char *name, const char *ending) {
  size_t length = strlen(name), size = strlen(ending);
  return length >= size && sqlite3_stricmp(name + length - size, ending) == 0;
}

static bool claims_is_checksum_list(const char *name) {
  return sqlite3_stricmp(name, "SHA256SUMS") == 0 || claims_has_ending(name, "sha256sum.txt") ||
         claims_has_ending(name, "sha256sums.txt") || sqlite3_stricmp(name, "sha256sum") == 0 ||
         claims_has_ending(name, ".sha256sum") || claims_has_ending(name, ".sha256") ||
         sqlite3_stricmp(name, "checksums.txt") == 0;
}

/* A pointer of git-lfs beside the file that it is about: NAME.lfs or the like. */
static bool claims_by_pointer(Claims *claims, const char *path, const char *text, Error *error) {
  const char *oid = claims_lfs_oid(text), *name = path_name(path), *dot = strrchr(name, '.');
  if (oid == NULL || dot == NULL) return true;
  char *file = memory_copy_text(path, (uint64_t)(dot - path));
  PathKind kind = PATH_MISSING;
  bool good = file != NULL || error_memory(error);
  Error found = {0};
  if (good) file_system_kind(file, &kind, &found);
  good = claims_forgive(&found, error) && good;
  if (good && kind == PATH_OTHER)
    good = claims_add_oid(claims, file, CLAIM_LFS_POINTER, oid, 64, error);
  memory_free(file);
  return good;
}

/* A list that may not be read could have a claim about any file. */
static bool claims_add_unread(Claims *claims, const char *path, bool signing, Error *error) {
  ClaimSource source = signing ? CLAIM_MODEL_SIGNING : CLAIM_CHECKSUM_LIST;
  if (!claims_add(claims, path, source, CLAIM_UNKNOWN, "", 0, error)) return false;
  claims->all[claims->count - 1]->problem = "it may not be read";
  return true;
}

static bool claims_by_file(Claims *claims, const char *path, Error *error) {
  const char *name = path_name(path);
  bool list = claims_is_checksum_list(name);
  bool signing = strcmp(name, "model.sig") == 0 || claims_has_ending(name, ".sig");
  uint64_t length, max = list || signing ? CLAIMS_MAX_LIST : CLAIMS_MAX_NOTE;
  bool usual = !list && !signing;
  if (usual && (strchr(name, '.') == NULL || claims_is_remote(claims, path))) return true;
  char *text, *directory = path_directory(path);
  if (directory == NULL) return error_memory(error);
  bool denied, good = claims_load(claims, path, max, &text, &length, &denied, error);
  if (good && denied && !usual) good = claims_add_unread(claims, path, signing, error);
  if (good && text != NULL) {
    good = list      ? claims_read_checksums(claims, directory, text, length, error)
           : signing ? claims_read_signing(claims, directory, path, text, length, error)
                     : claims_by_pointer(claims, path, text, error);
  }
  memory_free(text);
  memory_free(directory);
  return good;
}

/* ---- All files ---- */

static int claims_compare(const void *a, const void *b) {
  const Claim *x = *(Claim *const *)a, *y = *(Claim *const *)b;
  int order = natural_compare(x->file, y->file);
  return order != 0 ? order : (int)x->source - (int)y->source;
}

/* Whether a list, which is in natural order, has a path. */
static bool claims_has(const PathList *files, const char *path) {
  uint32_t low = 0, high = files->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    int order = natural_compare(files->paths[middle], path);
    if (order == 0) return true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

/* Removes claims about other files; with `all`, they are about files that are missing. */
static void claims_keep(Claims *claims, const PathList *files, bool all) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < claims->count; i++) {
    Claim *claim = claims->all[i];
    bool known = claims_has(files, claim->file), published = claim->source == CLAIM_HUB_LIST;
    claim->missing = claim->missing || (!known && !published);
    if (known || all || published) {
      claims->all[kept++] = claim;
    } else {
      claim_free(claim);
    }
  }
  claims->count = kept;
}

static bool claims_add_none(Claims *claims, const PathList *files, Error *error) {
  uint64_t count = claims->count, at = 0;
  for (uint32_t i = 0; i < files->count; i++) {
    while (at < count && natural_compare(claims->order[at]->file, files->paths[i]) < 0) at++;
    bool claimed = at < count && strcmp(claims->order[at]->file, files->paths[i]) == 0;
    if (claimed) continue;
    Claim *none = claims_new(claims, files->paths[i], error);
    if (none == NULL) return false;
    PathLook look;
    if (claims_is_remote(claims, none->file)) continue;
    if (!file_system_look(none->file, &look, error)) return false;
    none->missing = look.kind == PATH_MISSING;
  }
  return true;
}

/* The rows that are sorted are not those that own the claims: after an error some stand there twice. */
static bool claims_sort(Claims *claims, Cancel *cancel, Error *error) {
  memory_free(claims->order);
  claims->order = memory_zeroed(claims->count, sizeof(Claim *));
  if (claims->order == NULL) return error_memory(error);
  if (claims->count > 0) memcpy(claims->order, claims->all, claims->count * sizeof(Claim *));
  return sort_rows(claims->order, claims->count, sizeof(Claim *), claims_compare, cancel, "claims",
                   error);
}

/* Those of an address of the hub that is asked, with what it publishes about them; or the same of files of this machine and
** the address of what was published. */
static bool claims_find_published(Claims *claims, Checkpoint *checkpoint, const char *argument,
                                  const char *published, ClaimFiles *files, Error *error) {
  Network *network = session_network(claims->session);
  bool asks = published != NULL;
  if (!asks && !network_asks(network, argument, &asks, error)) return false;
  char *pinned =
      asks ? network_pin(network, published != NULL ? published : argument, error) : NULL;
  if (asks && pinned == NULL) return false;
  bool in_hub = pinned != NULL && network_is_in_hub(pinned);
  bool good = published == NULL || in_hub ||
              error_raise(error, ERROR_ARGUMENT, published,
                          "expected the address of a repository of the hub, found another one");
  bool of_copies = in_hub && published == NULL;
  files->searched = of_copies;
  good = good && (of_copies || claims_find_files(claims, checkpoint, argument, files, error));
  if (good && in_hub) good = claims_add_published(claims, pinned, files, of_copies, error);
  memory_free(pinned);
  return good;
}

/* Of files of the network, begins to ask for the headers of some. */
static void claims_expect(const Claims *claims, const PathList *files, uint32_t number) {
  enum { CLAIMS_AHEAD = 32 };
  uint32_t end = files->count - number < CLAIMS_AHEAD ? files->count : number + CLAIMS_AHEAD;
  if (number % CLAIMS_AHEAD != 0 || !claims_is_remote(claims, files->paths[number])) return;
  for (uint32_t i = number; i < end; i++) {
    const char *path = files->paths[i];
    size_t length = strlen(path);
    if (length > 12 && strcmp(path + length - 12, ".safetensors") == 0)
      network_expect(session_network(claims->session), &files->paths[i], NULL, 1);
  }
}

static bool claims_read(Claims *claims, const ClaimFiles *found, Error *error) {
  const PathList *files = &found->files, *beside = &found->beside;
  Session *session = claims->session;
  bool good = true;
  for (uint32_t i = 0; good && i < files->count; i++) {
    claims_expect(claims, files, i);
    good = cancel_go_on(session_cancel(session), files->paths[i], error) &&
           claims_of_file(claims, session, files->paths[i], error) &&
           (!found->searched || claims_by_file(claims, files->paths[i], error));
  }
  for (uint32_t i = 0; good && i < beside->count; i++)
    good = claims_by_file(claims, beside->paths[i], error);
  return good;
}

bool claims_find(Claims *claims, Session *session, Checkpoint *checkpoint, const char *argument,
                 const char *published, Error *error) {
  *claims = (Claims){.session = session};
  ClaimFiles found = {0};
  Cancel *cancel = session_cancel(session);
  bool good = claims_find_published(claims, checkpoint, argument, published, &found, error) &&
              path_list_order(&found.files, cancel, "files", error) &&
              path_list_order(&found.beside, cancel, "files", error) &&
              claims_read(claims, &found, error);
  if (good) {
    claims_keep(claims, &found.files, found.searched);
    good = claims_sort(claims, cancel, error) && claims_add_none(claims, &found.files, error) &&
           claims_sort(claims, cancel, error);
  }
  path_list_clear(&found.files);
  path_list_clear(&found.beside);
  memory_free(found.directory);
  return good;
}
