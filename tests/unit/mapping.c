/*
** What is in the system's cache is known of parts of a file as the test's own mincore() says page by page, also where
** the system lacks the call for it, and never of a file that belongs to others; and what a file no longer has is an
** error before it is touched.
*/
#include "base/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/filter.h>) /* not with every C library */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#define FORBIDS
#endif
#endif

#include "program.h"

enum { SIZE = (5 << 20) + 1234, CACHESTAT = 451, NOBODY = 65534 };

static char path[4096];
static uint64_t page;

static int make_file(void) {
  static unsigned char bytes[SIZE];
  int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (descriptor < 0) stop(path);
  /* Little by little, so that the system keeps it in small pieces, of which it can drop some. */
  for (size_t done = 0, size = 0; done < SIZE; done += size) {
    size = SIZE - done < 65536 ? SIZE - done : 65536;
    if (write(descriptor, bytes + done, size) != (ssize_t)size) stop(path);
  }
  if (fsync(descriptor) != 0 || chmod(directory, 0755) != 0) stop(path); /* for others to read it */
  return descriptor;
}

#if defined(__linux__)
/* From now on the call ends so. Returns whether that can be had. */
static bool forbid_cachestat(uint32_t number) {
#if defined(FORBIDS)
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CACHESTAT, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog all = {sizeof program / sizeof program[0], program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0;
#else
  (void)number;
  return false;
#endif
}

static bool is_resident(const unsigned char *data, uint64_t offset, uint64_t size) {
  bool resident = true;
  for (uint64_t at = offset / page * page; at < offset + size; at += page) {
    unsigned char state = 0;
    if (mincore((void *)(uintptr_t)(data + at), (size_t)page, &state) != 0) stop("mincore");
    resident = resident && (state & 1) != 0;
  }
  return resident;
}

/* Windows of all sizes and places. Returns how many were resident, and how many were not. */
static void windows(int descriptor, const unsigned char *data, const char *what, uint64_t seen[2]) {
  uint64_t random = 1;
  for (int i = 0; i < 400; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    uint64_t size = (random >> 33) % (i % 4 == 0 ? MAPPING_MAX_RESIDENT : 100000) + 1;
    uint64_t offset = (random >> 13) % (SIZE - size + 1);
    if (i % 3 == 0) offset -= offset % page;
    bool expected = is_resident(data, offset, size);
    seen[expected]++;
    if (mapping_is_resident(descriptor, offset, data + offset, size) != expected)
      check(false, what);
  }
  check(true, what);
}

static void in_the_cache(int descriptor, const char *how, bool has_gaps) {
  const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
  uint64_t seen[2] = {0};
  if (data == MAP_FAILED) stop("mmap");
  windows(descriptor, data, how, seen);
  check(seen[1] > 0, "some windows are in the cache");
  check(!has_gaps || seen[0] > 0, "some windows are not");
  check(!mapping_is_resident(descriptor, 0, data, 0) &&
            !mapping_is_resident(descriptor, 0, data, MAPPING_MAX_RESIDENT + 1),
        "nothing, or too much");
  munmap((void *)(uintptr_t)data, SIZE);
}

/* In a process of its own, which has its own checks. */
static void without_cachestat(int descriptor, uint32_t number, bool has_gaps) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (!forbid_cachestat(number)) _exit(0);
    const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
    if (number == EPERM) _exit(mapping_is_resident(descriptor, 0, data, 4096) ? 1 : 0);
    in_the_cache(descriptor, "asked by mincore", has_gaps);
    _exit(finish());
  }
  int status = 1;
  check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "without cachestat");
}

/* Who may not ask hears of no window that is not there. */
static void of_others(bool has_gaps) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int descriptor = setuid(NOBODY) == 0 ? open(path, O_RDONLY) : -1;
    if (descriptor < 0) _exit(0);
    const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
    bool all = true;
    for (uint64_t at = 0; at + 65536 <= SIZE; at += 65536)
      all = all && mapping_is_resident(descriptor, at, data + at, 65536);
    _exit(all && has_gaps ? 1 : 0);
  }
  int status = 1;
  check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a file of others");
}
#endif

#if defined(__linux__)
static long faults(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) stop("getrusage");
  return usage.ru_minflt + usage.ru_majflt;
}

/* How many faults it takes to touch every page of a range. */
static long touch(const unsigned char *data, uint64_t size) {
  volatile unsigned char byte;
  long before = faults();
  for (uint64_t at = 0; at < size; at += page) byte = data[at];
  (void)byte;
  return faults() - before;
}

/* Small pages, and large ones where the system has them: what was populated is there. */
static void populated(int descriptor, const char *what) {
  const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
  Error error = {0};
  if (data == MAP_FAILED) stop("mmap");
  if (touch(data, 32 << 10) > 1) {
    printf("skipped: a fault brings one page here\n");
    return;
  }
  uint64_t random = 1;
  for (int i = 0; i < 200; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    uint64_t size = (random >> 33) % (i % 2 == 0 ? SIZE : 200000) + 1;
    uint64_t begin = (random >> 13) % (SIZE - size + 1);
    begin -= begin % page;
    munmap((void *)(uintptr_t)data, SIZE);
    data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED) stop("mmap");
    if (!mapping_populate(data + begin, size, path, &error) || touch(data + begin, size) != 0)
      check(false, what);
  }
  check(true, what);
  munmap((void *)(uintptr_t)data, SIZE);
}

/* Written at once, so that the system may keep it in large pages. */
static void populated_large(void) {
  static unsigned char bytes[SIZE];
  char other[4200];
  snprintf(other, sizeof other, "%s/large", directory);
  int descriptor = open(other, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (descriptor < 0 || write(descriptor, bytes, SIZE) != SIZE) stop(other);
  populated(descriptor, "populated, of large pages");
  close(descriptor);
  unlink(other);
}
#endif

static void cut_short(int descriptor) {
  const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
  Error error = {0};
  if (data == MAP_FAILED) stop("mmap");
  check(mapping_populate(data, SIZE, path, &error), "a whole file");
  check(mapping_populate(data + SIZE - 3, 3, path, &error), "its end");
  if (ftruncate(descriptor, 1 << 20) != 0) stop(path);
  check(mapping_populate(data, 1 << 20, path, &error), "what is left");
  const struct {
    uint64_t begin, size;
  } gone[] = {{0, SIZE},
              {1000, (1 << 20) - 999},
              {(1 << 20) - 5, 100000},
              {1 << 20, 1},
              {(3 << 20) + 77, 70000}};
  for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
    bool good = mapping_populate(data + gone[i].begin, gone[i].size, path, &error);
#if defined(__linux__)
    check(!good && error.code == ERROR_CHANGED, "what is gone");
#else
    check(good, "nothing is known elsewhere");
#endif
    error_clear(&error);
  }
  munmap((void *)(uintptr_t)data, SIZE);
}

int main(void) {
  page = (uint64_t)sysconf(_SC_PAGESIZE);
  make_directory();
  snprintf(path, sizeof path, "%s/mapped", directory);
  int descriptor = make_file();
#if defined(__linux__)
  in_the_cache(descriptor, "all in the cache", false);
  populated(descriptor, "populated");
  populated_large();
  posix_fadvise(descriptor, 2 << 20, 1 << 20, POSIX_FADV_DONTNEED);
  const unsigned char *data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
  bool has_gaps = !is_resident(data, 0, SIZE); /* not where the disk is memory */
  munmap((void *)(uintptr_t)data, SIZE);
  in_the_cache(descriptor, "with a gap", has_gaps);
  without_cachestat(descriptor, ENOSYS, has_gaps);
  without_cachestat(descriptor, EPERM, has_gaps);
  of_others(has_gaps);
#endif
  cut_short(descriptor);
  close(descriptor);
  unlink(path);
  rmdir(directory);
  return finish();
}
