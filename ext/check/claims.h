/*
** Claims: what is written near files about their digests, and what the hub publishes. safetensors_verify has a row for each.
** Nobody is asked over the network but for checkpoints of the network.
**
**   hub list           the list of the repository that the hub has: of a large file its SHA-256, else git's blob id
**   hub blob           the file is a link into `blobs` of a hub's cache, whose files are named by their
**                      digest: 64 hexadecimal digits are SHA-256, 40 are git's blob id
**   hub download       .cache/huggingface/download/NAME.metadata beside or above it, which the hub's client
**                      writes for a local_dir: its second line is the same (huggingface_hub 2.4,
**                      _local_folder.py)
**   lfs pointer        NAME.* beside it is a pointer of git-lfs; or the file itself is one, and its bytes
**                      are missing (github.com/git-lfs/git-lfs, docs/spec.md)
**   lfs object         the file lies in .git/lfs/objects, where names are SHA-256
**   sha256 file        NAME.sha256 beside it
**   checksum list      SHA256SUMS, sha256sum.txt or the like beside it: lines of sha256sum or of BSD's
**                      sha256
**   sshs_model_hash, sshs_legacy_hash, modelspec.hash_sha256
**                      in the metadata of the file (kohya's sd-scripts; Stability-AI/ModelSpec)
**   model signing      model.sig beside it: an OpenSSF model signing bundle, v1.0 or Digests/v0.1. The
**                      signature itself is not checked (github.com/sigstore/model-transparency)
*/
#ifndef SAFETENSORS_CHECK_CLAIMS_H
#define SAFETENSORS_CHECK_CLAIMS_H

#include "model/checkpoint.h"
#include "model/file_digest.h"

typedef enum ClaimSource {
  CLAIM_HUB_LIST,
  CLAIM_HUB_BLOB,
  CLAIM_HUB_DOWNLOAD,
  CLAIM_LFS_POINTER,
  CLAIM_LFS_OBJECT,
  CLAIM_SHA256_FILE,
  CLAIM_CHECKSUM_LIST,
  CLAIM_MODEL_HASH,
  CLAIM_LEGACY_HASH,
  CLAIM_MODELSPEC_HASH,
  CLAIM_MODEL_SIGNING,
  CLAIM_NONE, /* nothing is claimed about the file */
  CLAIM_SOURCE_COUNT
} ClaimSource;

/* How the digest of a claim is computed: a part of the file, or kohya's legacy hash. */
typedef enum ClaimAlgorithm {
  CLAIM_SHA256,
  CLAIM_GIT,
  CLAIM_PAYLOAD,
  CLAIM_LEGACY,
  CLAIM_UNKNOWN, /* `expected` cannot be compared: `problem` says why */
  CLAIM_ALGORITHM_COUNT
} ClaimAlgorithm;

typedef struct Claim {
  char *file; /* the path of the file that it is about */
  ClaimSource source;
  ClaimAlgorithm algorithm;
  char *expected; /* as it is written, but without "0x" and in lower case; NULL for CLAIM_NONE */
  const char *problem; /* why it cannot be checked, or NULL; a literal */
  bool missing;        /* there is no such file, or it is a pointer without its bytes */
} Claim;

typedef struct Claims {
  Session *session; /* private: who opens files */
  Claim **order;    /* by file, in natural order; of one file in the order of sources */
  uint64_t count;
  Claim **all; /* private: as they were found */
  uint64_t capacity;
} Claims;

/* The names of a source and of an algorithm, for people. */
const char *claim_source_name(ClaimSource source);
const char *claim_algorithm_name(ClaimAlgorithm algorithm);

/* Finds all claims about the files of a checkpoint, which was opened by the path or address `argument`: of a
** directory, about all files in it, to any depth, but for .git and .cache. Files without a claim get one of
** CLAIM_NONE. Opens headers and small files, and reads no tensors. claims_clear() releases it, also after
** an error.
**
** Of an address of the hub, which is asked, the files are those of its list: this machine's copies where there are, else the
** addresses, whose claims cannot be checked. `published` is such an address, or NULL: what the hub has there is claimed about
** the files of the checkpoint that have the same places in it. */
bool claims_find(Claims *claims, Session *session, Checkpoint *checkpoint, const char *argument,
                 const char *published, Error *error);
void claims_clear(Claims *claims);

/* ---- For claims.c, claim_files.c and claims_published.c ---- */

/* Whether the network is asked for this path. */
bool claims_is_remote(const Claims *claims, const char *path);

/* Forgets an error that says something about a file, and not that the system fails. */
bool claims_forgive(Error *found, Error *error);

/* The files of a checkpoint, and what is beside them. */
typedef struct ClaimFiles {
  PathList files, beside;
  char *directory; /* that has all of `files`, or NULL */
  bool searched; /* each of `files` may have claims about others; those about missing ones count */
} ClaimFiles;

/* Finds the files of a checkpoint that was opened by `argument`. */
bool claims_find_files(Claims *claims, Checkpoint *checkpoint, const char *argument,
                       ClaimFiles *files, Error *error);

/* Adds what the hub publishes at a pinned address, or at those that match a pattern, about the files of a checkpoint at the
** same places. With `of_copies`, the checkpoint is the address, and its files are added: this machine's copies. */
bool claims_add_published(Claims *claims, const char *address, ClaimFiles *files, bool of_copies,
                          Error *error);

/* ---- For lists of claims, in claim_lists.c ---- */

/* Adds a claim; the texts are copied. `expected` is a text of hexadecimal digits, or anything else, which
** makes it one that cannot be checked. */
bool claims_add(Claims *claims, const char *file, ClaimSource source, ClaimAlgorithm algorithm,
                const char *expected, uint64_t expected_length, Error *error);

/* Adds those of the text of a list of checksums, or of a model signing bundle, in `directory`. */
bool claims_read_checksums(Claims *claims, const char *directory, const char *text, uint64_t length,
                           Error *error);
bool claims_read_signing(Claims *claims, const char *directory, const char *path, const char *text,
                         uint64_t length, Error *error);

#endif
