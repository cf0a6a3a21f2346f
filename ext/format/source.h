/*
** The bytes of one tensor, wherever they are, and reading them.
**
** A Source says where: in memory (a BLOB), or in a range of a file. A Reader reads it, a window at
** a time, in one of two ways, by the connection's setting (IoMode):
**
**   IO_MAP    The file is mapped. Before a window is touched, the file's size and times
**             are checked, and its pages are populated (MADV_POPULATE_READ, Linux 5.14), so that a
**             file that was cut short, or a disk that fails, is an error and not a SIGBUS. A race
**             remains: a file cut short between the populating of a window and its use can kill
**             the process.
**             A pass (Reader.for_pass) reads into a buffer what is not in the system's cache, which
**             then reads ahead as for any program, and maps what it finds there.
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

/* All but `ahead` and `for_pass` is private. */
typedef struct Reader {
  uint64_t ahead; /* how much is read at a time when going on; READER_WINDOW unless made less. In a
                  ** mapped file this is what can be cut off unnoticed before it is used. */
  bool for_pass;  /* to be set for going through a tensor from end to end, perhaps with others and
                  ** again: see below */
  const Source *source;
  const unsigned char *base; /* of a mapped file: its first byte */
  int descriptor;            /* of a file that is read; else -1 */
  bool only_mapped;          /* a descriptor cannot be had */
  bool to_release;           /* the window's pages, once it has been gone through */
  unsigned char *buffer;
  const unsigned char *window; /* the tensor's bytes window_begin to window_end */
  uint64_t window_begin, window_end;
} Reader;

/*
** How a pass reads a mapped file, chosen by measurement: 1 GiB on an EPYC of 2024 with Linux 6.18, in
** milliseconds of its processor where the file was cached.
**
**   adding up what is mapped already                                         46
**   bringing the pages of a mapping in: MADV_POPULATE_READ, or page faults   30, on top of that
**   doing so where they are in already; mincore() instead                    20; 1
**   taking pages out of the process and in again, for each window            40
**   pread() into a buffer                                                    57, and 20 to add up
**   not cached: pread()                                                      as fast as cat
**   not cached, MADV_POPULATE_READ                                           as fast as cat, or, with
**                                                  the usual read-ahead of 128 kB, a tenth of it
**   the same with MADV_WILLNEED ahead                                        0.3 to 1 of cat
**
** So a pass reads what it has not seen yet, or what is no longer cached, into a buffer; maps what is
** cached when it comes a second time; and leaves that in the process for a third time (pages.h has
** the limit). There is no dropping behind: the kernel's lists keep what is in use apart from what
** was read once. A pass over 3 GB in a group limited to 1.5 GB of memory, of which 0.7 GB held
** another file in use, left all of that file where it was, once, and twice over. With MADV_COLD
** after each window, the second time pushed it out.
*/

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
