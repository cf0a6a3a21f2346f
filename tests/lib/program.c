#include "program.h"

atomic_int passed, failed;
char directory[] = "/tmp/safetensors.XXXXXX";

void check(int good, const char *what) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("FAILED: %s\n", what);
  }
}

int finish(void) {
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}

_Noreturn void stop(const char *what) {
  perror(what);
  exit(1);
}

void make_directory(void) {
  if (mkdtemp(directory) == NULL) stop(directory);
}

sqlite3 *new_connection_with(int flags) {
  sqlite3 *db = NULL;
  char *message = NULL;
  if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | flags, NULL) != SQLITE_OK ||
      sqlite3_safetensors_init(db, &message, NULL) != SQLITE_OK) {
    printf("cannot open: %s\n", message);
    exit(1);
  }
  return db;
}

sqlite3 *new_connection(void) {
  return new_connection_with(0);
}

void write_tensors(const char *name, int count, long long size, int fill) {
  char header[1024] = "{";
  size_t length = 1;
  for (int i = 0; i < count; i++) {
    length += (size_t)snprintf(header + length, sizeof header - length,
                               "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[%lld],\"data_offsets\":[%lld,"
                               "%lld]}",
                               i > 0 ? "," : "", 'a' + i, size, i * size, (i + 1) * size);
  }
  header[length++] = '}';
  FILE *file = fopen(name, "wb");
  if (file == NULL) stop(name);
  for (int i = 0; i < 8; i++) fputc((int)((uint64_t)length >> (8 * i) & 0xff), file);
  fwrite(header, 1, length, file);
  if (fill == 0) {
    fflush(file);
    if (ftruncate(fileno(file), (off_t)(8 + (long long)length + count * size)) != 0) stop(name);
  }
  for (int i = 0; i < count && fill != 0; i++) {
    for (long long j = 0; j < size; j++) fputc(fill + i, file);
  }
  if (fclose(file) != 0) stop(name);
}

bool is_mapped(const char *part) {
  char line[8192];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) stop("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) found = found || strstr(line, part) != NULL;
  fclose(maps);
  return found;
}

int open_descriptors(void) {
  int count = 0;
  DIR *listing = opendir("/proc/self/fd");
  if (listing == NULL) stop("/proc/self/fd");
  while (readdir(listing) != NULL) count++;
  closedir(listing);
  return count;
}
