/*
** Digests of files, or of parts of them, as they are published. Several files are read by several threads.
**
**   sha256     SHA-256 of the whole file
**   git        git's blob id: SHA-1 of "blob SIZE", a NUL and the bytes (git's own documentation,
**              "Git Internals - Git Objects")
**   payload    SHA-256 of what follows the header of a safetensors file: kohya's sshs_model_hash
**              (sd-scripts, library/train_util.py, addnet_hash_safetensors()), modelspec.hash_sha256
**   autov1     SHA-256 of the bytes 0x100000 to 0x10FFFF, as far as the file has them
**              (addnet_hash_legacy() there)
*/
#ifndef SAFETENSORS_MODEL_FILE_DIGEST_H
#define SAFETENSORS_MODEL_FILE_DIGEST_H

#include "base/digest.h"
#include "base/host.h"
#include "model/session.h"

typedef enum FileDigestPart {
  FILE_DIGEST_WHOLE,
  FILE_DIGEST_GIT,
  FILE_DIGEST_PAYLOAD,
  FILE_DIGEST_AUTOV1,
  FILE_DIGEST_RANGE /* begin and size are given */
} FileDigestPart;

/* The first byte of autov1, and how many. */
enum { FILE_DIGEST_AUTOV1_BEGIN = 0x100000, FILE_DIGEST_AUTOV1_SIZE = 0x10000 };

/* What is wanted, and what has come out. Starts as zero but for the first members. */
typedef struct FileDigest {
  FileDigestPart part;
  DigestKind kind;             /* of a whole file or a range; git's is SHA-1, the others SHA-256 */
  const char *path;            /* of a file; or NULL: */
  const unsigned char *memory; /* the bytes of a file */
  uint64_t memory_size;
  uint64_t begin, size; /* in the file; set unless it is a range */
  bool done;            /* `bytes` is the digest, or `absent`, or `error` says why not */
  bool absent;          /* the file ends before the part begins */
  unsigned char bytes[DIGEST_MAX_SIZE];
  Error error;
  /* Private. */
  int descriptor;
  FileIdentity identity;
} FileDigest;

/* Room for a digest that was published, in hexadecimal digits. */
enum { FILE_DIGEST_PUBLISHED_SIZE = 65 };

/* Sets `text` to the digest by which the hub knows a file: SHA-256 has 64 digits, git's blob id 40. It is that of the hub's
** list, if the path is an address of the hub, which is asked for that list if need be; or the name of the blob of a hub's cache
** that the path leads to. "" for all other files. False with an error. */
bool file_digest_published(Session *session, const char *path, char *text, Error *error);

/* The kind of digest that comes out. */
DigestKind file_digest_kind(const FileDigest *digest);

/* Computes all that are not done. An error of one file is in its `error`, which the caller releases; the
** other ones go on. False with an error only where nothing can go on: after an interrupt, if memory runs
** out, or if no library computes digests. A file that changes meanwhile is an error, never a digest. */
bool file_digests_run(Session *session, FileDigest *digests, uint64_t count, const Host *host,
                      Error *error);

#endif
