/*
** The bytes of a tensor, wherever they are: reading them, and handing them out to SQLite.
**
** A Source says where they are: in memory (a BLOB), in a range of a file, or nowhere yet, because they
** are computed when they are read (Computed).
**
** A Reader reads a Source into a buffer, one window at a time, and checks the file (the size and
** time of its descriptor) after each read. So whatever happens to the file, the result is its bytes
** or an error. A pass can be faster, depending on the setting of the connection (IoMode):
**
**   IO_MAP    A file is mapped when a statement makes a second pass over it. Before a window is
**             accessed, the file is checked and the pages are populated (MADV_POPULATE_READ, Linux
**             5.14), so that a truncated file or a failing disk causes an error and not a SIGBUS. A
**             race remains: if the file is truncated between this and the use of the window, the
**             process can be killed.
**             Who reads a file once can have windows mapped one by one instead (reader_map_windows()), and
**             has to check the file before and after it uses them.
**   IO_PREAD  Nothing is mapped.
**
** Handing out means giving SQLite a pointer into a mapping (IO_MAP). At that moment the file is
** checked, and the first 4 kB of the range are populated. If somebody truncates the file in place
** afterwards, while the pointer is in use, the process can be killed.
**
** Many Readers, each in its own thread, can read a Source. The Source, its File and its path must
** outlive them. A Reader must be opened and closed on the thread of the connection.
*/
#ifndef SAFETENSORS_MODEL_SOURCE_H
#define SAFETENSORS_MODEL_SOURCE_H

#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/mapping.h"
#include "model/session.h"
#include "model/small_reads.h"

/* A tensor whose bytes are computed when they are read. All functions get the Computed itself. */
typedef struct Computed Computed;
struct Computed {
  Session *session;    /* of the connection that asks for it */
  const char *subject; /* how messages call it */
  uint64_t unit; /* the bytes that are computed together: reads begin at multiples of it, and end at
                  ** one or at the end of the tensor */
  uint64_t ahead; /* how much to compute at a time in sequential reads, at most READER_WINDOW */

  /* Begins reading, on the thread of the connection. Sets *state, which belongs to one Reader; it is
  ** closed whatever the outcome. Returns false on an error. */
  bool (*open)(Computed *computed, void **state, Error *error);
  /* Computes the bytes begin to begin + size, on the thread of the Reader. */
  bool (*read)(void *state, const Asking *asking, uint64_t begin, uint64_t size, unsigned char *out,
               Error *error);
  void (*close)(void *state); /* takes NULL, too */
};

typedef struct Source {
  const unsigned char *memory; /* the first byte of the tensor, or NULL if it is not in memory */
  Computed *computed;          /* if it is computed; then it is in no file */
  Session *session;            /* which the file belongs to */
  File *file;
  const char *path;
  uint64_t offset; /* of the tensor in the file */
  uint64_t nbytes; /* of the tensor */
  IoMode mode;
} Source;

typedef enum HandOut {
  HAND_OUT_POINTER,
  HAND_OUT_READ, /* no pointer is available: the bytes have to be read */
  HAND_OUT_ERROR
} HandOut;

/* Smaller ranges are cheaper to read than to map. */
enum { HAND_OUT_MIN = 4096 };

/* Sets *data to `nbytes` bytes of the tensor from `begin` on. A pointer into a file is valid until
** the last lease ends (session.h), so there must be one. A pointer into memory (or to no bytes at
** all) is valid as long as that memory. */
HandOut source_hand_out(const Source *source, uint64_t begin, uint64_t nbytes,
                        const unsigned char **data, Error *error);

/* The maximum number of bytes that a Reader can be asked for at a time. */
enum { READER_WINDOW = 1 << 20 };

/* Everything except `ahead`, `until` and `asking` is private. */
typedef struct Reader {
  Asking
      asking; /* for what is computed or fetched: asked while that takes long. It asks the connection,
                 ** unless who opens the Reader for another thread changes it */
  uint64_t ahead; /* how much is read at a time in sequential reads; READER_WINDOW unless it is
                  ** reduced */
  uint64_t until; /* no byte from here on is read before it is asked for; UINT64_MAX unless it is
                  ** reduced */
  const Source *source;
  void *computing;               /* the state of a Computed */
  bool in_use;                   /* the file is in use */
  bool may_map;                  /* in a pass: see below */
  const unsigned char *base;     /* the first byte of the mapped file */
  bool maps_windows;             /* see reader_map_windows() */
  MappingPart part;              /* which is in what is mapped, if that is not {0} */
  uint64_t part_begin, part_end; /* what is mapped, of the tensor */
  uint64_t part_size;            /* at most, or a window */
  SmallRead *small; /* what the window is in, if it is in that; then nothing else is read */
  unsigned char *buffer;
  uint64_t buffer_size;
  const unsigned char *window; /* the bytes window_begin to window_end of the tensor */
  uint64_t window_begin, window_end;
} Reader;

/*
** How a pass reads a mapped file. These times were measured for 1 GiB on an EPYC of 2024 with Linux
** 6.18, in milliseconds of CPU time if the file was cached.
**
**   adding up what is already mapped                                         46
**   populating a mapping: MADV_POPULATE_READ, or page faults                 30, in addition
**   populating what is already populated; mincore() instead                  20; 1
**   unmapping and populating the pages again, for each window                20 to 40
**   pread() into a buffer                                                    57, and 20 to add up
**   not cached: pread()                                                      as fast as cat
**   not cached, MADV_POPULATE_READ                                           as fast as cat; with
**                                           the usual read-ahead of 128 kB a tenth of that speed
**   the same with MADV_WILLNEED ahead                                        0.3 to 1 of cat
**
** Linux since 6.16 keeps what is written to ext4 in large pages, and maps them at once where a mapping of some MB
** begins with one. On another EPYC of 2024 with Linux 6.18, for 1 GiB, where adding up takes 27:
**
**   asking mincore() what is cached; cachestat(), which sees whole pieces    16; 1
**   mapping and unmapping 8 MiB at a time, all pages populated               52, or 9 in large pages
**   the same, one page in 64 kB populated, which maps its neighbours         24, or 10 in large pages
**   pread() into a buffer                                                    38
**
** So a file is not mapped as a whole for the first pass over it in a statement, but windows of what is cached are
** (Pass.maps_windows), or else it is read into a buffer. Later passes do the same with what has not been read
** since. What is cached is mapped when they reach it for the second time, and it stays in the address space for a
** third time (pages.h has the limit). Pages are not dropped behind the pass,
** because the kernel's lists separate pages in use from pages that were read once. A pass over 3 GB
** in a group limited to 1.5 GB of memory, of which another file in use had 0.7 GB, left all of that
** file in memory after the first and after the second time. With MADV_COLD after each window, the
** second time evicted it.
*/

/* Opens a Reader. reader_close() must be called whatever the outcome. Returns false on an error. */
bool reader_open(Reader *reader, const Source *source, Error *error);

/* The same for reading a tensor from end to end, perhaps together with others and repeatedly. */
bool reader_open_for_pass(Reader *reader, const Source *source, Error *error);

/* The same for `size` bytes from `begin` on and no others. A few of them, which the statement may want again, are
** kept (small_reads.h), and are the window at once. */
bool reader_open_for_part(Reader *reader, const Source *source, uint64_t begin, uint64_t size,
                          Error *error);

/* Has the Reader map `size` bytes at a time for larger windows that are in the system's cache, and let
** them go when it goes on: as fast as a mapping for a pass, and it takes no more memory than such a
** buffer, however much is read. Then reader_check() must be called before bytes are asked for, if any time has passed
** since it was called last, and after the use of the bytes. */
void reader_map_windows(Reader *reader, uint64_t size);

/* Whether the file of a window that is mapped so is still in the state in which it was opened. May
** be called on any thread, and on a Reader of anything. */
bool reader_check(const Reader *reader, Error *error);

/* Frees the memory of the window, which is read again if it is needed. */
void reader_release(Reader *reader);

/* reader_bytes() for bytes outside the window. */
const unsigned char *reader_load(Reader *reader, uint64_t begin, uint64_t size, Error *error);

/* Returns `size` bytes of the tensor from `begin` on. They must be at most READER_WINDOW, and lie
** within the tensor. Valid until the next call. NULL on an error. Sequential reads are fast; any
** other order is allowed. */
static inline const unsigned char *reader_bytes(Reader *reader, uint64_t begin, uint64_t size,
                                                Error *error) {
  if (begin >= reader->window_begin && begin + size <= reader->window_end) {
    return reader->window + (begin - reader->window_begin);
  }
  return reader_load(reader, begin, size, error);
}

/* Drops the window, so that the next bytes are checked and read again. */
void reader_forget(Reader *reader);

void reader_close(Reader *reader);

#endif
