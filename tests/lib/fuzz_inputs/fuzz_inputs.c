/*
** Makes what the fuzz targets start from:
**
**     corpus FIXTURES DIR
**
** FIXTURES is the directory that `fixtures` made, whose small files, good and bad, become inputs for
** the targets "header" and "sql". The others' inputs, and DIR/dictionary, are listed here.
*/
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "expression/members.h"
#include "format/dtype.h"

#define SEPARATOR    "\xff"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { MAX_SEED = 4096, STATEMENTS_AND_FORMS = 100, SPREAD = 3 };
enum { PROGRAM_COUNT = 100, PROGRAM_SIZE = 200 };

/* ---- The dictionary ---- */

static const char *const words[] = {
    "__metadata__",
    "dtype",
    "shape",
    "data_offsets",
    "metadata",
    "weight_map",
    "total_size",
    "?slice=",
    "?damaged=1",
    "&damaged=1",
    "#",
    "%23",
    "%25",
    "%3F",
    "...",
    "::",
    ":-1",
    "hf://",
    ".safetensors",
    "../",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "[0,0]",
    "[0,1]",
    "-0",
    "1e0",
    "1.0",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\\"",
    "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}",
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]",
    "\"op\":",
    "\"args\":[",
    "\\\"op\\\":",
    "\"inf\"",
    "\"-inf\"",
    "\"a#b\"",
    "{\"op\":\"neg\",\"args\":[\"a#b\"]}",
    "\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"a#b\\\"]}\"",
};

/* The other seeds. Of a blob target's input the first two bytes are dtypes. */
static const char *const indexes[] = {
    "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
    "\"b\":\"model-00002-of-00002.safetensors\"}}",
    "{\"weight_map\":{\"a\":\"x-10.safetensors\",\"b\":\"x-2.safetensors\",\"c\":\"x-10."
    "safetensors\"}}",
    "{\"weight_map\":{}}",
    " {\"weight_map\":{\"\\u00e9\":\"sub/directory/file.safetensors\"},\"other\":[1,{}]} \n",
    "{\"weight_map\":{\"a\":\"../secret.safetensors\"}}",
    "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
    "{\"weight_map\":{\"a\":1}}",
    "{\"weight_map\":{\"a\":\"1\",\"a\":\"2\"}}",
    "{\"metadata\":{\"total_size\":-1},\"weight_map\":{}}",
};

static const char *const refs[] = {
    "model.safetensors#name" SEPARATOR "[2,3,4]" SEPARATOR "0",
    "a%23b%25c%3Fd?slice=::2#na#me" SEPARATOR "[]" SEPARATOR "",
    "p?slice=#" SEPARATOR "[5]" SEPARATOR "-1:0:2",
    "p?x=1#n" SEPARATOR "[ 10 , 0 , 3 ]" SEPARATOR "..., 0",
    "p%2f#n" SEPARATOR "[9223372036854775807,0]" SEPARATOR ":, 1:9223372036854775807:3",
    "#" SEPARATOR "[4,4,4,4]" SEPARATOR "1, ..., 1:3, ::9223372036854775807",
    "p" SEPARATOR "[1,1,7,1]" SEPARATOR ":,:,3:-1",
};

static const char *const blobs[] = {
    "\x03\x11"
    "[2,2]" SEPARATOR ":,0" SEPARATOR "abcd",
    "\x12\x0d"
    "[2]" SEPARATOR "::2" SEPARATOR "01234567",
    "\x01\x02"
    "[2,4]" SEPARATOR "1" SEPARATOR "abcd",
    "\x02\x01"
    "" SEPARATOR "0:4" SEPARATOR "abcdef",
    "\x13\x13"
    "[]" SEPARATOR "..." SEPARATOR "01234567",
    "\x05\x06"
    "[0,5]" SEPARATOR "" SEPARATOR "",
};

static const char *const expressions[] = {
    "{\"op\":\"add\",\"args\":[\"a#b\",{\"op\":\"mul\",\"args\":[\"a#b\",-0.5e-3]}]}",
    "{\"op\":\"average\",\"args\":[\"a#b\",\"c#d\"],\"weights\":[1,\"inf\"]}",
    "{\"op\":\"concat\",\"args\":[\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"a#b\\\"]}\",\"a#b\"],"
    "\"axis\":-1}",
    " {\"args\":[\"a#b\"],\"axes\":[1,0],\"op\":\"transpose\"} \n",
    "{\"op\":\"where\",\"args\":[{\"op\":\"isnan\",\"args\":[\"a#b\\u0000\"]},0,\"-inf\"]}",
    "{\"op\":\"take\",\"args\":[{\"op\":\"reshape\",\"args\":[{\"op\":\"full\",\"shape\":[2,3],"
    "\"value\":1e300}],\"shape\":[-1]}],\"indices\":[0,-9223372036854775808],\"axis\":0}",
    "{\"op\":\"stack\",\"args\":[{\"op\":\"random\",\"shape\":[],\"seed\":-1},{\"op\":\"lerp\","
    "\"args\":[\"a#b\",\"a#c\"],\"t\":0.7},{\"op\":\"convert\",\"args\":[{\"op\":\"slice\","
    "\"args\":"
    "[\"a#b\"],\"slice\":\"..., ::2\"}],\"dtype\":\"BF16\"}]}",
    "{\"op\":\"sum\",\"args\":[],\"weights\":[]}",
    "{\"op\":\"neg\",\"args\":[\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"{\"]}",
};

/* Two dtypes, then NAME, SHAPE, METADATA and the bytes. */
static const char *const writes[] = {
    "\x04\x04name" SEPARATOR "[4]" SEPARATOR "{\"format\":\"pt\"}" SEPARATOR "abcd",
    "\x11\x04na\"me\\\n" SEPARATOR "[1,1]" SEPARATOR "{\"a\\u0000\":\"\\ud83d\\ude00\"}" SEPARATOR
    "abcd",
    "\x01\x10__metadata__" SEPARATOR "[]" SEPARATOR "{}" SEPARATOR "",
    "\x01\x01n" SEPARATOR "[2,4]" SEPARATOR "" SEPARATOR "abcd",
};

static const char *const answers[] = {
    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/20\r\nETag: \"v1\"\r\nRetry-After: "
    "5\r\n" SEPARATOR "body" SEPARATOR "https://hub/a/b?c" SEPARATOR "../x",
    "HTTP/1.1 429 Too Many\r\nRateLimit: \"api\";r=0;t=9\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 "
    "GMT\r\n" SEPARATOR "Slow down." SEPARATOR "https://127.0.0.1:8080/" SEPARATOR "//other/",
    "HTTP/1.1 403 No\r\nX-Error-Code: GatedRepo\r\nX-Error-Message: no\r\n" SEPARATOR
    "<Error><Message>Denied</Message></Error>" SEPARATOR "https://[::ffff:1.2.3.4]/x" SEPARATOR
    "?q#f",
    "HTTP/1.1 302 Found\r\nLocation: http://0x7f.1/\r\n" SEPARATOR SEPARATOR
    "https://2130706433/" SEPARATOR "/./a/../b",
};

/* ---- Writing ---- */

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static const char *made_path(const char *directory, const char *target, const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s%s%s", directory, target, name != NULL ? "/" : "",
           name != NULL ? name : "");
  return path;
}

static void make_directory(const char *path) {
  if (mkdir(path, 0777) != 0 && errno != EEXIST) fail(path);
}

static void write_seed(const char *directory, const char *target, const char *name,
                       const void *data, size_t size) {
  const char *path = made_path(directory, target, name);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) fail(path);
}

static void write_texts(const char *directory, const char *target, const char *const *texts,
                        size_t count) {
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "%zu", i);
    write_seed(directory, target, name, texts[i], strlen(texts[i]));
  }
}

/* Programs by chance for the targets "expression_value", "formula" and "delta": any bytes are one. */
static void write_programs(const char *directory) {
  uint64_t state = 1;
  for (int i = 0; i < PROGRAM_COUNT; i++) {
    unsigned char program[PROGRAM_SIZE];
    char name[32];
    for (size_t j = 0; j < sizeof program; j++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      program[j] = (unsigned char)(state >> 56);
    }
    snprintf(name, sizeof name, "%d", i);
    write_seed(directory, "expression_value", name, program, sizeof program);
    write_seed(directory, "formula", name, program, sizeof program);
    write_seed(directory, "delta", name, program, sizeof program);
  }
}

static void write_dictionary(const char *directory) {
  const char *path = made_path(directory, "dictionary", NULL);
  FILE *file = fopen(path, "wb");
  if (file == NULL) fail(path);
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
    fprintf(file, "\"\\\"%s\\\"\"\n", dtype_name((Dtype)dtype));
  }
  for (int op = 0; op < OPERATOR_COUNT; op++) {
    const char *name = OPERATOR_TRAITS[op].name;
    if (name != NULL) fprintf(file, "\"\\\"%s\\\"\"\n", name);
  }
  for (int i = 0; i < MEMBERS_COUNT; i++) {
    fprintf(file, "\"\\\"%s\\\":\"\n", MEMBER_NAMES[i].name);
  }
  for (size_t i = 0; i < COUNT(words); i++) {
    fputc('"', file);
    for (const char *at = words[i]; *at != '\0'; at++) {
      if (*at == '"' || *at == '\\') fputc('\\', file);
      fputc(*at, file);
    }
    fputs("\"\n", file);
  }
  if (fclose(file) != 0) fail(path);
}

/* ---- From the fixtures ---- */

/* One fixture: its JSON for "header", and, behind two bytes that are 0 in its length, for "salvage"; and, with some of the ways to choose a statement, itself. */
static void add_fixture(const char *directory, const char *name, unsigned char *data, size_t size,
                        int *choice) {
  if (size > 8) write_seed(directory, "header", name, data + 8, size - 8);
  if (size > 8) write_seed(directory, "salvage", name, data + 6, size - 6);
  for (int i = 0; i < SPREAD; i++) {
    char seed[300];
    snprintf(seed, sizeof seed, "%s-%d", name, i);
    data[size] = (unsigned char)((*choice)++ % STATEMENTS_AND_FORMS);
    write_seed(directory, "sql", seed, data, size + 1);
  }
}

static void add_fixtures(const char *fixtures, const char *directory, int *choice) {
  DIR *listing = opendir(fixtures);
  if (listing == NULL) fail(fixtures);
  for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    static unsigned char data[MAX_SEED + 2];
    struct stat status;
    const char *path = made_path(fixtures, entry->d_name, NULL);
    if (stat(path, &status) != 0) fail(path);
    if (!S_ISREG(status.st_mode) || status.st_size > MAX_SEED) continue;
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    size_t size = fread(data, 1, MAX_SEED, file);
    fclose(file);
    add_fixture(directory, entry->d_name, data, size, choice);
  }
  closedir(listing);
}

int main(int argc, char **argv) {
  static const char *const targets[] = {"header",           "index",   "ref",   "blob",
                                        "salvage",          "sql",     "write", "expression",
                                        "expression_value", "formula", "delta", "answer"};
  if (argc != 3) {
    fprintf(stderr, "usage: corpus FIXTURES DIR\n");
    return 2;
  }
  make_directory(argv[2]);
  for (size_t i = 0; i < COUNT(targets); i++) make_directory(made_path(argv[2], targets[i], NULL));
  write_dictionary(argv[2]);
  write_texts(argv[2], "index", indexes, COUNT(indexes));
  write_texts(argv[2], "ref", refs, COUNT(refs));
  write_texts(argv[2], "blob", blobs, COUNT(blobs));
  write_texts(argv[2], "write", writes, COUNT(writes));
  write_texts(argv[2], "expression", expressions, COUNT(expressions));
  write_texts(argv[2], "answer", answers, COUNT(answers));
  write_programs(argv[2]);
  int choice = 0;
  add_fixtures(argv[1], argv[2], &choice);
  static char bad[4096];
  snprintf(bad, sizeof bad, "%s/bad", argv[1]);
  add_fixtures(bad, argv[2], &choice);
  return 0;
}
