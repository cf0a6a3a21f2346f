#include "model/address.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "base/url.h"

static bool address_is_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The length of the scheme (RFC 3986, 3.1) in front of "://", or 0 if there is none. */
static size_t address_scheme_length(const char *path) {
  size_t length = 0;
  if (!address_is_letter(path[0])) return 0;
  while (address_is_letter(path[length]) ||
         (path[length] != '\0' && strchr("0123456789+-.", path[length]))) {
    length++;
  }
  return strncmp(path + length, "://", 3) == 0 ? length : 0;
}

static bool address_has_scheme(const char *path, size_t length, const char *scheme) {
  return length == strlen(scheme) && sqlite3_strnicmp(path, scheme, (int)length) == 0;
}

static bool address_is_file_address(const char *path) {
  return sqlite3_strnicmp(path, "file:/", 6) == 0;
}

bool address_is(const char *path) {
  return address_scheme_length(path) > 0 || address_is_file_address(path);
}

void address_decode(char *text) {
  char *out = text;
  for (const char *in = text; *in != '\0'; in++) {
    int high = in[0] == '%' ? url_hex_digit(in[1]) : -1;
    int low = high >= 0 ? url_hex_digit(in[2]) : -1;
    if (low >= 0 && high + low > 0) {
      *out++ = (char)(high << 4 | low);
      in += 2;
    } else {
      *out++ = *in;
    }
  }
  *out = '\0';
}

/* In file:///x, file://localhost/x and file:/x the path is /x. */
static bool address_refuse_file(const char *path, Error *error) {
  const char *rest = path + strlen("file:");
  if (strncmp(rest, "//", 2) == 0) rest += 2;
  if (sqlite3_strnicmp(rest, "localhost/", 10) == 0) rest += 9;
  if (rest[0] != '/') {
    return error_raise(error, ERROR_ARGUMENT, path,
                       "expected a path, found a file:// address of another machine: name the file "
                       "by its path here");
  }
  char *decoded = memory_copy_text(rest, strlen(rest));
  if (decoded == NULL) return error_memory(error);
  address_decode(decoded);
  error_fill(error, ERROR_ARGUMENT, path,
             "expected a path, found a file:// address: name the path itself, %.*s",
             ERROR_NAME(decoded, strlen(decoded)));
  memory_free(decoded);
  return false;
}

/* What can be done besides where the network could be asked. */
#define ADDRESS_NETWORK \
  ", or switch the network on: safetensors_config('network', 'on') or SAFETENSORS_NETWORK=on"

bool address_refuse(const char *path, Error *error) {
  static const struct {
    const char *scheme, *kind, *cure;
  } kinds[] = {
      {"http", "a web address", "download the file (curl -LO) and name the copy" ADDRESS_NETWORK},
      {"https", "a web address", "download the file (curl -LO) and name the copy" ADDRESS_NETWORK},
      {"ftp", "a web address", "download the file and name the copy"},
      {"s3", "an S3 address", "copy it here (aws s3 cp) and name the copy" ADDRESS_NETWORK},
      {"s3a", "an S3 address", "copy it here (aws s3 cp) and name the copy"},
      {"gs", "a Google Cloud address", "copy it here (gcloud storage cp) and name the copy"},
      {"gcs", "a Google Cloud address", "copy it here (gcloud storage cp) and name the copy"},
      {"az", "an Azure address", "copy it here (azcopy copy) and name the copy"},
      {"abfs", "an Azure address", "copy it here (azcopy copy) and name the copy"},
      {"abfss", "an Azure address", "copy it here (azcopy copy) and name the copy"},
      {"wasb", "an Azure address", "copy it here (azcopy copy) and name the copy"},
      {"wasbs", "an Azure address", "copy it here (azcopy copy) and name the copy"},
      {"ssh", "an address of another machine", "copy it here (scp) and name the copy"},
      {"sftp", "an address of another machine", "copy it here (scp) and name the copy"},
  };
  if (address_is_file_address(path)) return address_refuse_file(path, error);
  size_t length = address_scheme_length(path), i = 0, count = sizeof kinds / sizeof kinds[0];
  while (i < count && !address_has_scheme(path, length, kinds[i].scheme)) i++;
  return error_raise(error, ERROR_ARGUMENT, path,
                     "expected a path on this machine, found %s: nothing is fetched; %s",
                     i < count ? kinds[i].kind : "an address",
                     i < count ? kinds[i].cure : "copy the file here and name the copy");
}
