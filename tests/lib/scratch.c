#include "scratch.h"

#include "program.h"

enum { SCRATCH_MAX_TEXT = 64 };

const char *in_directory(const char *name) {
  static char joined[4][4096];
  static int next;
  char *out = joined[next++ % 4];
  snprintf(out, sizeof joined[0], "%s/%s", directory, name);
  return out;
}

void put_text(const char *name, const char *text) {
  FILE *file = fopen(name, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) stop(name);
}

bool has_text(const char *name, const char *text) {
  char found[SCRATCH_MAX_TEXT] = "";
  FILE *file = fopen(name, "r");
  if (file == NULL) return false;
  size_t length = fread(found, 1, sizeof found - 1, file);
  fclose(file);
  return length == strlen(text) && strcmp(found, text) == 0;
}

int count_files(void) {
  int count = -2;
  DIR *listing = opendir(directory);
  if (listing == NULL) stop(directory);
  while (readdir(listing) != NULL) count++;
  closedir(listing);
  return count;
}

void empty_directory(void) {
  DIR *listing = opendir(directory);
  const struct dirent *entry;
  if (listing == NULL) stop(directory);
  while ((entry = readdir(listing)) != NULL) {
    const char *name = in_directory(entry->d_name);
    if (entry->d_name[0] == '.' && strchr("./", entry->d_name[1]) != NULL) {
      if (entry->d_name[1] == '\0' || entry->d_name[2] == '\0') continue;
    }
    if (unlink(name) != 0) rmdir(name);
  }
  closedir(listing);
}
