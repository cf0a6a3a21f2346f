/*
** The bytes of one tensor, wherever they are, and reading them.
**
** A Source says where: in memory (a BLOB), or in a range of a file. A Reader reads it, a window at
** a time, in one of two ways, by the connection's setting (IoMode):
**
**   IO_MAP    The file is mapped. Before a window is touched, the file's size and times are
**   checked,
**             and its pages are populated (MADV_POPULATE_READ, Linux 5.14), so that a file that was
**             cut short, or a disk that fails, is an error and not a SIGBUS. A race remains: a file
**             cut short between the populating of a window and its use can kill the process.
**   IO_PREAD  Nothing is mapped: bytes are read into a buffer, and the file is checked after each
**             read. Whatever happens to the file, the outcome is its bytes or an error.
**
** A Source may be read by many Readers, each in a thread of its own: the Source, its File and path
** must outlive them, and reader_open() must be called on the connection's thread.
*/
#ifndef SAFETENSORS_FORMAT_SOURCE_H
#define SAFETENSORS_FORMAT_SOURCE_H

#include <stddef.h>

#include "base/error.h"
#include "format/store.h"

typedef struct Source {
  const unsigned char *memory; /* the tensor's first byte, or NULL: then it is in the file */
  File *file;
  const char *path;
  uint64_t offset; /* of the tensor in the file */
  uint64_t nbytes; /* of the tensor */
  IoMode mode;
} Source;

/* Where the tensor's bytes can be pointed at: they are in memory, or may be mapped. If not, they
** have to be read. */
bool source_is_addressable(const Source *source);

/* The tensor's first byte, of an addressable source. Bytes of a file stay valid until the
** connection closes, and were looked after (size and times) just now. An empty tensor's pointer is
** not NULL either. NULL on error. */
const unsigned char *source_address(const Source *source, Error *error);

/* The most bytes that a Reader can be asked for at a time. */
enum { READER_WINDOW = 1 << 20 };

/* All but `ahead` is private. */
typedef struct Reader {
  uint64_t ahead; /* how much is read at a time when going on; READER_WINDOW unless made less. In a
                  ** mapped file this is what can be cut off unnoticed before it is used. */
  const Source *source;
  const unsigned char *base; /* of a mapped file: its first byte */
  int descriptor;            /* of a file that is read; else -1 */
  unsigned char *buffer;
  const unsigned char *window; /* the tensor's bytes window_begin to window_end */
  uint64_t window_begin, window_end;
} Reader;

/* Opens a Reader, which reader_close() releases, whatever the outcome. */
bool reader_open(Reader *reader, const Source *source, Error *error);

/* reader_bytes() for what is not in the window. */
const unsigned char *reader_load(Reader *reader, uint64_t begin, uint64_t size, Error *error);

/* The tensor's bytes from `begin`, `size` of them: at most READER_WINDOW, and within the tensor.
** Valid until the next call. NULL on error. Going forward is fast, jumping is allowed. */
static inline const unsigned char *reader_bytes(Reader *reader, uint64_t begin, uint64_t size,
                                                Error *error) {
  if (begin >= reader->window_begin && begin + size <= reader->window_end) {
    return reader->window + (begin - reader->window_begin);
  }
  return reader_load(reader, begin, size, error);
}

/* Forgets the window: what is asked for next is checked, and read, again. */
void reader_forget(Reader *reader);

void reader_close(Reader *reader);

#endif
