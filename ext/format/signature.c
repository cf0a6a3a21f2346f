#include "format/signature.h"

#include <string.h>

typedef struct Pattern {
  const char *bytes;
  size_t length;
  Signature signature;
} Pattern;

#define PATTERN(text, code, name) \
  {                               \
    text, sizeof text - 1, {      \
      code, name                  \
    }                             \
  }

/* Pickle: the PROTO opcode, a version, and the opcode that follows it in practice (torch.save
** before 1.6 starts with its magic number, 0x8a 0x0a). Python: Lib/pickletools.py. */
#define PICKLE "a Python pickle (PyTorch .bin/.pt); convert it to safetensors"

static const Pattern patterns[] = {
    PATTERN("version https://git-lfs", "lfs-pointer",
            "a Git LFS pointer, not the file itself; fetch it with: git lfs pull"),
    PATTERN("PK\x03\x04", "zip", "a zip archive (PyTorch .pt/.pth?); convert it to safetensors"),
    PATTERN("PK\x05\x06", "zip", "an empty zip archive"),
    PATTERN("GGUF", "gguf", "a GGUF file"),
    PATTERN("\x80\x02\x8a\x0a", "pickle", PICKLE),
    PATTERN("\x80\x02}q", "pickle", PICKLE),
    PATTERN("\x80\x02]q", "pickle", PICKLE),
    PATTERN("\x80\x02"
            "cc",
            "pickle", PICKLE),
    PATTERN("\x80\x03}q", "pickle", PICKLE),
    PATTERN("\x80\x03]q", "pickle", PICKLE),
    PATTERN("\x80\x04\x95", "pickle", PICKLE),
    PATTERN("\x80\x05\x95", "pickle", PICKLE),
    PATTERN("\x89HDF\r\n", "hdf5", "an HDF5 file (Keras?)"),
    PATTERN("\x93NUMPY", "numpy", "a NumPy array file"),
    PATTERN("\x1f\x8b\x08", "gzip", "a gzip archive; decompress it first"),
    PATTERN("SQLite format 3", "sqlite", "an SQLite database"),
};

static const Signature html = {"html", "an HTML page: the download got a web page, not the file"};

/* HTML is the one kind that may start with spaces, in any case of letters. */
static int is_html(const unsigned char *bytes, size_t length) {
  static const char *const starts[] = {"<!doctype", "<html"};
  size_t skip = 0;
  while (skip < length && bytes[skip] <= ' ') skip++;
  for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
    size_t i = 0, word = strlen(starts[s]);
    if (length - skip < word) continue;
    for (; i < word; i++) {
      unsigned char byte = bytes[skip + i];
      if (byte >= 'A' && byte <= 'Z') byte = (unsigned char)(byte + ('a' - 'A'));
      if (byte != (unsigned char)starts[s][i]) break;
    }
    if (i == word) return 1;
  }
  return 0;
}

const Signature *signature_find(const unsigned char *bytes, size_t length) {
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    const Pattern *pattern = &patterns[i];
    if (length >= pattern->length && memcmp(bytes, pattern->bytes, pattern->length) == 0) {
      return &pattern->signature;
    }
  }
  return is_html(bytes, length) ? &html : NULL;
}
