#include "format/signature.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

typedef struct SignaturePattern {
  const char *bytes;
  size_t length, offset;
  Signature signature;
} SignaturePattern;

#define SIGNATURE_PATTERN_AT(offset, signature_text, code, name) \
  {                                                              \
    signature_text, sizeof signature_text - 1, offset, {         \
      code, name                                                 \
    }                                                            \
  }
#define SIGNATURE_PATTERN(signature_text, code, name) \
  SIGNATURE_PATTERN_AT(0, signature_text, code, name)

#define SIGNATURE_PICKLE "a Python pickle (PyTorch .bin/.pt); convert it to safetensors"
#define SIGNATURE_GGML \
  "a GGML file of an old kind; convert it with llama.cpp's tools, or download safetensors"
#define SIGNATURE_UNPACK  "; unpack it first"
#define SIGNATURE_POINTER ", not the file itself; fetch it with: "

static const SignaturePattern signature_patterns[] = {
    SIGNATURE_PATTERN("version https://git-lfs", "lfs-pointer",
                      "a Git LFS pointer" SIGNATURE_POINTER "git lfs pull"),
    SIGNATURE_PATTERN("version https://hawser", "lfs-pointer",
                      "a Git LFS pointer" SIGNATURE_POINTER "git lfs pull"),
    SIGNATURE_PATTERN("/annex/objects/", "pointer",
                      "a git-annex pointer" SIGNATURE_POINTER "git annex get"),
    SIGNATURE_PATTERN("outs:\n- md5:", "pointer", "a DVC pointer" SIGNATURE_POINTER "dvc pull"),
    SIGNATURE_PATTERN("# xet version", "pointer",
                      "a Xet pointer" SIGNATURE_POINTER "git xet checkout"),
    SIGNATURE_PATTERN("PK\x03\x04", "zip",
                      "a zip archive (PyTorch .pt/.pth? NumPy .npz?); convert it to safetensors"),
    SIGNATURE_PATTERN("PK\x05\x06", "zip", "an empty zip archive"),
    SIGNATURE_PATTERN("GGUF", "gguf", "a GGUF file"),
    SIGNATURE_PATTERN("lmgg", "ggml", SIGNATURE_GGML),
    SIGNATURE_PATTERN("fmgg", "ggml", SIGNATURE_GGML),
    SIGNATURE_PATTERN("tjgg", "ggml", SIGNATURE_GGML),
    SIGNATURE_PATTERN("algg", "ggml", SIGNATURE_GGML),
    SIGNATURE_PATTERN("\x89HDF\r\n", "hdf5", "an HDF5 file (Keras?)"),
    SIGNATURE_PATTERN("\x93NUMPY", "numpy", "a NumPy array file"),
    SIGNATURE_PATTERN("\x1f\x8b\x08", "gzip", "a gzip archive; decompress it first"),
    SIGNATURE_PATTERN("SQLite format 3", "sqlite", "an SQLite database"),
    SIGNATURE_PATTERN("7z\xbc\xaf\x27\x1c", "archive", "a 7-Zip archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN("Rar!\x1a\x07", "archive", "a RAR archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN("\x28\xb5\x2f\xfd", "archive", "a Zstandard archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN("\xfd"
                      "7zXZ",
                      "archive", "an xz archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN("\x04\x22\x4d\x18", "archive", "an LZ4 archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN_AT(4, "1AY&SY", "archive", "a bzip2 archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN_AT(257, "ustar", "archive", "a tar archive" SIGNATURE_UNPACK),
    SIGNATURE_PATTERN("\x89PNG\r\n", "other-format", "an image (PNG)"),
    SIGNATURE_PATTERN("\xff\xd8\xff", "other-format", "an image (JPEG)"),
    SIGNATURE_PATTERN("GIF8", "other-format", "an image (GIF)"),
    SIGNATURE_PATTERN_AT(8, "WEBP", "other-format", "an image (WebP)"),
    SIGNATURE_PATTERN("%PDF-", "other-format", "a PDF document"),
    SIGNATURE_PATTERN("\x7f"
                      "ELF",
                      "other-format", "a program or library (ELF)"),
    SIGNATURE_PATTERN("PAR1", "other-format", "a Parquet file"),
    SIGNATURE_PATTERN("ARROW1", "other-format", "an Arrow file"),
    SIGNATURE_PATTERN_AT(4, "TFL3", "other-format", "a TensorFlow Lite model"),
    SIGNATURE_PATTERN("model_checkpoint_path:", "other-format",
                      "a TensorFlow checkpoint's list of files"),
    SIGNATURE_PATTERN(
        "\x00\x05\x16\x07", "apple-double",
        "what macOS keeps beside a file (AppleDouble); the file itself has the name without "
        "\"._\""),
    SIGNATURE_PATTERN(
        "\xef\xbb\xbf", "byte-order-mark",
        "a text that begins with a byte order mark, which loaders of JSON refuse; write it in "
        "UTF-8 without one"),
    SIGNATURE_PATTERN("\xff\xfe", "byte-order-mark",
                      "a text in UTF-16, which loaders of JSON refuse; write it in UTF-8"),
    SIGNATURE_PATTERN("\xfe\xff", "byte-order-mark",
                      "a text in UTF-16, which loaders of JSON refuse; write it in UTF-8"),
};

static const Signature signature_pickle = {"pickle", SIGNATURE_PICKLE};
static const Signature signature_onnx = {"other-format", "an ONNX model"};
static const Signature signature_zeros = {
    "zeros",
    "a file that begins with zeros: its space was allocated, but the download (or copy) has not "
    "filled it; download it again"};
static const Signature signature_html = {"html",
                                         "an HTML page: the download got a web page, not the file"};
static const Signature signature_xml = {
    "xml",
    "an XML text: the download got a server's message about an error, perhaps, not the file"};
static const Signature signature_json = {
    "json",
    "a JSON text, as configurations, tokenizers and indexes are; name the *.safetensors "
    "file, the *.safetensors.index.json file or their directory"};
static const Signature signature_text = {"text",
                                         "a text: a server's message about an error, perhaps"};

static bool signature_begins(const unsigned char *bytes, size_t length, const char *word) {
  size_t word_length = strlen(word);
  return length >= word_length && memcmp(bytes, word, word_length) == 0;
}

/* ---- Kinds that have no fixed bytes ---- */

/* Returns whether this is a pickle of protocol 2 to 5, which begins with the PROTO opcode, the
** version, and one of the opcodes that can follow. See Python's Lib/pickletools.py. */
static bool signature_is_pickle(const unsigned char *bytes, size_t length) {
  static const char opcodes[] =
      "}](clUXVBCGIJKMNLFST)\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"
      "\x94\x95\x96";
  if (length < 3 || bytes[0] != 0x80 || bytes[1] < 2 || bytes[1] > 5) return false;
  return bytes[2] != '\0' && strchr(opcodes, bytes[2]) != NULL;
}

static bool signature_is_identifier(unsigned char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte == '.';
}

/* Returns the end of the line that begins at `at` and consists of an identifier, or 0. */
static size_t signature_identifier_line(const unsigned char *bytes, size_t length, size_t at) {
  size_t end = at;
  while (end < length && signature_is_identifier(bytes[end])) end++;
  return end > at && end < length && bytes[end] == '\n' ? end + 1 : 0;
}

/* Returns whether this is a pickle of protocol 0 or 1, which has no mark of its own. It may begin
** with an object of a class (c MODULE \n NAME \n), with a dictionary or list that is stored in a
** numbered place, or with the magic number of old versions of torch.save(). */
static bool signature_is_old_pickle(const unsigned char *bytes, size_t length) {
  static const char *const starts[] = {
      "(dp0\n", "(dp1\n", "(lp0\n", "(lp1\n", "}q\x01", "]q\x01", "L119547037146038801333356L"};
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
    if (signature_begins(bytes, length, starts[i])) return true;
  }
  if (length > 3 && bytes[1] == 'q' && bytes[2] == 0) { /* }q\0 and ]q\0 */
    return bytes[0] == '}' || bytes[0] == ']';
  }
  size_t start = length > 0 && bytes[0] == '(' ? 1 : 0;
  if (length <= start || bytes[start] != 'c') return false;
  size_t name = signature_identifier_line(bytes, length, start + 1);
  return name != 0 && signature_identifier_line(bytes, length, name) != 0;
}

/* Returns whether this is an ONNX model: a message of Protocol Buffers with ir_version (field 1)
** and producer_name (field 2). */
static bool signature_is_onnx(const unsigned char *bytes, size_t length) {
  if (length < 4 || bytes[0] != 0x08 || bytes[1] == 0 || bytes[1] > 30 || bytes[2] != 0x12) {
    return false;
  }
  size_t end = 4 + (size_t)bytes[3];
  if (bytes[3] == 0 || end > length) return false;
  for (size_t i = 4; i < end; i++) {
    if (bytes[i] < 0x20 || bytes[i] > 0x7e) return false;
  }
  return true;
}

static bool signature_is_zeros(const unsigned char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] != 0) return false;
  }
  return length >= 8;
}

/* ---- Texts ---- */

/* Returns whether all bytes are text in UTF-8, except for a last character that is cut off. */
static bool signature_is_text(const unsigned char *bytes, size_t length) {
  enum { SIGNATURE_MAX_CHARACTER = 4 };
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] < 0x20 && strchr("\t\n\r\f\x1b", bytes[i]) == NULL) return false;
    if (bytes[i] == 0 || bytes[i] == 0x7f) return false;
  }
  return length - utf8_valid_length((const char *)bytes, length) < SIGNATURE_MAX_CHARACTER;
}

/* Returns whether a tag or declaration begins here, in upper or lower case. */
static bool signature_is_tag(const unsigned char *bytes, size_t length, const char *lower) {
  size_t word = strlen(lower);
  if (length < word) return false;
  for (size_t i = 0; i < word; i++) {
    unsigned char byte = bytes[i];
    if (byte >= 'A' && byte <= 'Z') byte = (unsigned char)(byte + ('a' - 'A'));
    if (byte != (unsigned char)lower[i]) return false;
  }
  return true;
}

static const Signature *signature_find_text(const unsigned char *bytes, size_t length) {
  static const char *const pages[] = {"<!doctype html", "<html", "<head", "<body", "<!--"};
  size_t skip = 0;
  while (skip < length && strchr(" \t\r\n", bytes[skip]) != NULL && bytes[skip] != '\0') skip++;
  const unsigned char *start = bytes + skip;
  size_t left = length - skip;
  for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
    if (signature_is_tag(start, left, pages[i])) return &signature_html;
  }
  if (!signature_is_text(bytes, length)) return NULL;
  if (left > 1 && start[0] == '<' &&
      (start[1] == '?' || start[1] == '!' || signature_is_identifier(start[1])))
    return &signature_xml;
  if (left > 0 && (start[0] == '{' || start[0] == '[')) return &signature_json;
  return length >= 8 ? &signature_text : NULL; /* fewer bytes may be anything */
}

const Signature *signature_find(const unsigned char *bytes, size_t length) {
  if (length > SIGNATURE_SIZE) length = SIGNATURE_SIZE;
  for (size_t i = 0; i < sizeof signature_patterns / sizeof signature_patterns[0]; i++) {
    const SignaturePattern *pattern = &signature_patterns[i];
    if (length >= pattern->offset + pattern->length &&
        memcmp(bytes + pattern->offset, pattern->bytes, pattern->length) == 0) {
      return &pattern->signature;
    }
  }
  if (signature_is_pickle(bytes, length) || signature_is_old_pickle(bytes, length))
    return &signature_pickle;
  if (signature_is_onnx(bytes, length)) return &signature_onnx;
  if (signature_is_zeros(bytes, length)) return &signature_zeros;
  return signature_find_text(bytes, length);
}
