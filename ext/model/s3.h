/*
** s3://BUCKET/KEY: the address of an object in a store that speaks S3, and lists of such objects (ListObjectsV2).
** Source: docs.aws.amazon.com/AmazonS3/latest/API.
*/
#ifndef SAFETENSORS_MODEL_S3_H
#define SAFETENSORS_MODEL_S3_H

#include "base/http.h"
#include "model/s3_settings.h"

#define S3_PREFIX "s3://"

typedef struct S3Object {
  char *address; /* "s3://BUCKET/KEY" */
  uint64_t size;
  char *etag; /* with its quotes */
} S3Object;

/* Starts as {0}; s3_objects_clear() releases it. */
typedef struct S3Objects {
  S3Object *rows;
  uint64_t count, capacity;
} S3Objects;

/* Whom to ask, and who asks. */
typedef struct S3Api {
  Http *http;
  const S3Settings *settings;
  const Asking *asking;
  const char *path; /* the address that the user gave, for messages */
} S3Api;

bool s3_is_address(const char *path);

/* The web address of an object: ENDPOINT/BUCKET/KEY, or https://BUCKET.s3.REGION.amazonaws.com/KEY. `key` may be empty. NULL
** with an error. memory_free() releases it. */
char *s3_url(const S3Api *api, const char *address, Error *error);

/* Sets what a request to the store needs: signature and endpoint. */
void s3_prepare(const S3Api *api, HttpRequest *request);

/* Lists all objects whose addresses begin with `prefix`, which has a bucket and perhaps the beginning of a key, in the order of
** their bytes. False with an error. */
bool s3_list(const S3Api *api, const char *prefix, S3Objects *objects, Error *error);

void s3_objects_clear(S3Objects *objects);

/* Raises what an answer other than 200 and 206 means. Returns false. */
bool s3_raise(const S3Api *api, const HttpRequest *request, Error *error);

#endif
