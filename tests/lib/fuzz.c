#include "fuzz.h"

Part take_part(Part *rest) {
  const char *end = rest->length > 0 ? memchr(rest->text, SEPARATOR, rest->length) : NULL;
  Part part = {rest->text, end != NULL ? (size_t)(end - rest->text) : rest->length};
  size_t taken = part.length + (end != NULL);
  *rest = (Part){rest->text + taken, rest->length - taken};
  return part;
}

void require_outcome(bool good, Error *error) {
  REQUIRE(good == (error->code == ERROR_NONE));
  REQUIRE(error->code != ERROR_MEMORY);
  if (!good) {
    REQUIRE(strncmp(error->message, "safetensors: ", 13) == 0);
    for (const char *at = error->message; *at != '\0'; at++) REQUIRE((unsigned char)*at >= 0x20);
  }
  error_clear(error);
}

Header *parse_granting_size(const void *text, size_t length, uint64_t *file_size, Error *error) {
  static const char marker[] = " bytes by its header";
  *file_size = HEADER_PREFIX_SIZE + length;
  for (int attempt = 0;; attempt++) {
    HeaderBuffers buffers = {0};
    char *copy = header_buffers_text(&buffers, length);
    REQUIRE(copy != NULL);
    if (length > 0) memcpy(copy, text, length);
    Header *header = header_parse(&buffers, length, *file_size, "file", NULL, error);
    header_buffers_clear(&buffers);
    const char *asked = error->message != NULL ? strstr(error->message, marker) : NULL;
    if (header != NULL || asked == NULL || attempt > 0) return header;
    while (asked[-1] >= '0' && asked[-1] <= '9') asked--;
    *file_size = strtoull(asked, NULL, 10);
    if (*file_size < HEADER_PREFIX_SIZE + length) { /* the words came out of the header */
      *file_size = HEADER_PREFIX_SIZE + length;
    }
    error_clear(error);
  }
}
