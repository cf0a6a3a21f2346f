/*
** What the environment says about object stores that speak S3, as the AWS CLI and its libraries read it:
**
**   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN   else those of the profile in AWS_SHARED_CREDENTIALS_FILE
**                                         (~/.aws/credentials); without any, requests are anonymous
**   AWS_REGION, AWS_DEFAULT_REGION        else that of the profile in AWS_CONFIG_FILE (~/.aws/config), else us-east-1
**   AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL else the profile's endpoint_url, else Amazon
**   AWS_PROFILE                           default
**
** Source: docs.aws.amazon.com, "Configuration and credential file settings" and "Environment variables".
*/
#ifndef SAFETENSORS_MODEL_S3_SETTINGS_H
#define SAFETENSORS_MODEL_S3_SETTINGS_H

#include <stdbool.h>

#include "base/error.h"

typedef struct S3Settings {
  char *keys;    /* ID:SECRET, or NULL: then requests are anonymous */
  char *session; /* "X-Amz-Security-Token: ...", or NULL */
  char *region;
  char *endpoint; /* without a slash at its end, or NULL for Amazon */
} S3Settings;

/* Reads them. s3_settings_clear() releases them, also after an error. */
bool s3_settings_read(S3Settings *settings, Error *error);
void s3_settings_clear(S3Settings *settings);

#endif
