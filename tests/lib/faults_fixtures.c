#include "faults_fixtures.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

char faults_directory[32]; /* in memory if possible: the writer waits for disks */

#define ENTRY(name, dtype, shape, offsets) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

typedef struct Fixture {
  const char *name, *header;
  unsigned data_size;
} Fixture;

static const Fixture fixtures[] = {
    {"plain",
     "{\"__metadata__\":{\"format\":\"pt\",\"author\":\"nobody\"}," ENTRY(
         "model.layers.3.weight", "F32", "[3,2]",
         "[0,24]") "," ENTRY("bias", "U8", "[4]", "[24,28]") "," ENTRY("none", "F16", "[0]",
                                                                       "[28,28]"
                                                                       "") "}",
     28},
    {"other",
     "{" ENTRY("bias", "U8", "[2]", "[0,2]") "," ENTRY("extra", "U8", "[2,2]", "[2,6]") "}", 6},
    {"tricky",
     "{\"a\\u0062\":{\"dtype\":\"U8\",\"shape\":[ 2 ],\"data_offsets\":[0,2],\"comment\":{\"long\":"
     "[\"" LONG_WORD "\",1.5,null,{\"" LONG_WORD
     "\":true}]}},\"\\ud83d\\ude00\":{\"\\u0064type\":\"I\\u0038\",\"shape\":[2],\"data_offsets\":"
     "[2,4]},\"__metadata__\":{\"quote\\\"\":\"line\\nbreak\",\"nul\":\"a\\u0000b\",\"" LONG_WORD
     "\":\"\\u00e9 " LONG_WORD LONG_WORD "\"},\"" LONG_WORD
     "\":{\"dtype\":\"F4\",\"shape\":[2,4],\"data_offsets\":[4,8],\"x\":[]}}",
     8},
    {"adapter",
     "{\"__metadata__\":{\"lora_adapter_metadata\":\"{\\\"unet.r\\\": 1, "
     "\\\"unet.alpha_pattern\\\": {\\\"(k|[pq]+)\\\\\\\\d{0,2}\\\": 3, \\\"(?=x)\\\": "
     "1}}\"},\"lora_unet_a.lora_down.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":["
     "0,8]},\"lora_unet_a.lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[8,"
     "20]},\"lora_unet_a.alpha\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[20,22]},\"unet."
     "p.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[22,30]},\"unet.p.lora_"
     "B.weight\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[30,42]},\"unet.p.lora_"
     "magnitude_vector\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[42,54]},\"base_model."
     "model.model.layers.3.ia3_l\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[54,66]},"
     "\"base_model.vera_A\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[66,74]},\"base_"
     "model.model.z.vera_lambda_d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[74,78]},"
     "\"base_model.model.bias\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[78,82]}}",
     82},
    {"not_json", "{\"a\":[1", 0},
    {"bad_entry", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],,\"data_offsets\":[0,1]}}", 1},
    {"bad_long_entry",
     "{\"a\":{\"x\":\"" LONG_WORD "\",\"dtype\":\"U8\",\"" LONG_WORD
     "\":truly,\"shape\":[1],\"data_offsets\":[0,1]}}",
     1},
    {"bad_long_token", "{\"a\":{\"dtype\":\"" LONG_WORD "\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     1},
    {"bad_escape", "{\"a\":{\"x\":\"" LONG_WORD "\\ud800\"}}", 1},
    {"bad_dtype", "{" ENTRY("a", "F31", "[1]", "[0,1]") "}", 1},
    {"bad_shape", "{" ENTRY("a", "U8", "[1.0]", "[0,1]") "}", 1},
    {"bad_offsets", "{" ENTRY("a", "U8", "[1]", "[0,1,2]") "}", 1},
    {"bad_size", "{" ENTRY("a", "F32", "[3]", "[0,4]") "}", 4},
    {"overflow", "{" ENTRY("a", "F32", "[9223372036854775807,9]", "[0,4]") "}", 4},
    {"hole", "{" ENTRY("a", "U8", "[1]", "[1,2]") "}", 2},
    {"cut_data", "{" ENTRY("a", "U8", "[9]", "[0,9]") "}", 2},
    {"deep_entry",
     "{\"a\":{\"x\":"
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
     "}}",
     0},
    {"duplicate_key",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"duplicate_name",
     "{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("a", "U8", "[1]", "[1,2]") "}", 2},
    {"duplicate_metadata", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0},
    {"bad_metadata", "{\"__metadata__\":{\"k\":1}}", 0},
    {"bad_utf8", "{\"\xff\":{}}", 0},
};

static const char lfs_pointer[] =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 1234567\n";

void stop(const char *what);

static void write_file(const char *name, const void *bytes, size_t size) {
  FILE *file = fopen(name, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) stop(name);
}

static unsigned char *bytes_of(const Fixture *fixture, size_t *size) {
  size_t length = strlen(fixture->header);
  *size = 8 + length + fixture->data_size;
  unsigned char *bytes = calloc(1, *size);
  if (bytes == NULL) stop("calloc");
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
  memcpy(bytes + 8, fixture->header, length);
  for (unsigned i = 0; i < fixture->data_size; i++) bytes[8 + length + i] = (unsigned char)i;
  return bytes;
}

unsigned char *fixture_bytes(const char *name, size_t *size) {
  const Fixture *fixture = fixtures;
  while (strcmp(fixture->name, name) != 0) fixture++;
  return bytes_of(fixture, size);
}

/* A model of two shards and more indexes, good and bad, in a Hugging Face cache. */
#define SNAPSHOT "hub/models--o--n/snapshots/c0ffee/"

static const struct {
  const char *name, *text;
} model_files[] = {
    {SNAPSHOT "model.safetensors.index.json",
     "{\"metadata\":{\"total_size\":36,\"large\":18446744073709551616},\"weight_map\":{\"bias\":"
     "\"sub/1.safetensors\",\"ab\":\"2.safetensors\",\"model.layers.3.weight\":\"sub/"
     "1.safetensors\"}}"},
    {"misplaced.safetensors.index.json",
     "{\"weight_map\":{\"bias\":\"m/2.safetensors\",\"ab\":\"m/sub/1.safetensors\"}}"},
    {"in_two.safetensors.index.json",
     "{\"weight_map\":{\"bias\":\"m/2.safetensors\",\"ab\":\"m/"
     "2.safetensors\",\"extra\":\"other\"}}"},
    {"unindexed_in_two.safetensors.index.json",
     "{\"weight_map\":{\"extra\":\"other\",\"none\":\"plain\"}}"},
    {"bad_name.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x\"}}"},
    {"bad_json.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x\","},
    {"hub/models--o--n/refs/main", "c0ffee\n"},
    {"claims/SHA256SUMS",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b.safetensors\n"
     "\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  gone\\\\x\n"
     "SHA256 (b.safetensors) = "
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"},
    {"claims/b.safetensors.sha256",
     "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\n"},
    {"claims/model.sig",
     "{\"dsseEnvelope\":{\"payload\":"
     "\"eyJwcmVkaWNhdGUiOnsicmVzb3VyY2VzIjpbeyJuYW1lIjoiYiIsImRpZ2VzdCI6IjEyIn1dfX0=\"}}"},
    {"claims/.cache/huggingface/download/b.safetensors.metadata",
     "c0ffee\n0123456789012345678901234567890123456789\n1.5\n"},
};

static void write_model(void) {
  static const char *const directories[] = {"hub",
                                            "hub/models--o--n",
                                            "hub/models--o--n/refs",
                                            "hub/models--o--n/snapshots",
                                            SNAPSHOT,
                                            SNAPSHOT "sub",
                                            "claims",
                                            "claims/.cache",
                                            "claims/.cache/huggingface",
                                            "claims/.cache/huggingface/download",
                                            "w"};
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    if (mkdir(directories[i], 0777) != 0) stop(directories[i]);
  }
  for (size_t i = 0; i < sizeof model_files / sizeof model_files[0]; i++) {
    write_file(model_files[i].name, model_files[i].text, strlen(model_files[i].text));
  }
  if (symlink(SNAPSHOT, "m") != 0 || symlink("linked.safetensors", "w/link.safetensors") != 0 ||
      link("plain", SNAPSHOT "sub/1.safetensors") != 0 || link("plain", "gap-1-of-3") != 0 ||
      link("plain", "gap-3-of-3") != 0 || link("tricky", SNAPSHOT "2.safetensors") != 0 ||
      link("plain", "claims/b.safetensors") != 0 || setenv("HF_HUB_CACHE", "hub", 1) != 0) {
    stop("link");
  }
}

void write_fixtures(void) {
  bool in_memory = access("/dev/shm", W_OK) == 0;
  snprintf(faults_directory, sizeof faults_directory, "%s/faults.XXXXXX",
           in_memory ? "/dev/shm" : "/tmp");
  if (mkdtemp(faults_directory) == NULL || chdir(faults_directory) != 0) stop(faults_directory);
  for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
    size_t size;
    unsigned char *bytes = bytes_of(&fixtures[i], &size);
    write_file(fixtures[i].name, bytes, size);
    if (strcmp(fixtures[i].name, "plain") == 0) write_file("cut_header", bytes, 40);
    free(bytes);
  }
  write_file("pointer", lfs_pointer, sizeof lfs_pointer - 1);
  write_file("empty", "", 0);
  write_model();
}

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(name);
}

void remove_fixtures(void) {
  if (chdir("/") != 0 || nftw(faults_directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
    stop(faults_directory);
}
