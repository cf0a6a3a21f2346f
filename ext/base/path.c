#include "base/path.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"

const char *path_style_separators(PathStyle style) {
  return style == PATH_STYLE_WINDOWS ? "/\\" : "/";
}

static bool path_style_separates(PathStyle style, char byte) {
  return byte == '/' || (byte == '\\' && style == PATH_STYLE_WINDOWS);
}

/* ---- Roots ---- */

static bool path_is_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static size_t path_drive(const char *path) {
  return path_is_letter(path[0]) && path[1] == ':' ? 2 : 0;
}

/* Server and share, which are two components. */
static size_t path_share(const char *path) {
  static const char separators[] = "/\\";
  size_t server = strcspn(path, separators), between = strspn(path + server, separators);
  return server + between + strcspn(path + server + between, separators);
}

/* What follows the prefix of the form in which a path may be long, or that of devices. */
static size_t path_verbatim(const char *path) {
  size_t unc = strlen("UNC");
  if (sqlite3_strnicmp(path, "UNC", (int)unc) == 0 &&
      path_style_separates(PATH_STYLE_WINDOWS, path[unc])) {
    return unc + 1 + path_share(path + unc + 1);
  }
  return path_drive(path) > 0 ? path_drive(path) : path_share(path);
}

static size_t path_windows_volume(const char *path) {
  bool doubled = path_style_separates(PATH_STYLE_WINDOWS, path[0]) &&
                 path_style_separates(PATH_STYLE_WINDOWS, path[1]);
  if (!doubled) return path_drive(path);
  bool verbatim =
      (path[2] == '?' || path[2] == '.') && path_style_separates(PATH_STYLE_WINDOWS, path[3]);
  return verbatim ? 4 + path_verbatim(path + 4) : 2 + path_share(path + 2);
}

size_t path_style_root(PathStyle style, const char *path) {
  size_t volume = style == PATH_STYLE_WINDOWS ? path_windows_volume(path) : 0;
  return volume + strspn(path + volume, path_style_separators(style));
}

/* ---- Components ---- */

size_t path_style_name(PathStyle style, const char *path) {
  size_t root = path_style_root(style, path), name = strlen(path);
  while (name > root && !path_style_separates(style, path[name - 1])) name--;
  return name;
}

size_t path_style_directory(PathStyle style, const char *path) {
  size_t root = path_style_root(style, path), name = path_style_name(style, path);
  if (name > root) return name - 1; /* without the separator */
  return style == PATH_STYLE_POSIX && root > 1 ? 1 : root;
}

const char *path_style_joint(PathStyle style, const char *directory) {
  size_t length = strlen(directory);
  bool is_drive = style == PATH_STYLE_WINDOWS && length == 2 && path_drive(directory) == length;
  return length == 0 || is_drive || path_style_separates(style, directory[length - 1]) ? "" : "/";
}

/* ---- Paths of this system ---- */

const char *path_separators(void) {
  return path_style_separators(PATH_STYLE_HERE);
}

bool path_is_separator(char byte) {
  return path_style_separates(PATH_STYLE_HERE, byte);
}

size_t path_root(const char *path) {
  return path_style_root(PATH_STYLE_HERE, path);
}

const char *path_name(const char *path) {
  return path + path_style_name(PATH_STYLE_HERE, path);
}

char *path_directory(const char *path) {
  return memory_copy_text(path, path_style_directory(PATH_STYLE_HERE, path));
}

char *path_join(const char *directory, const char *name) {
  return sqlite3_mprintf("%s%s%s", directory, path_style_joint(PATH_STYLE_HERE, directory), name);
}

const char *path_tilde_hint(const char *path) {
  bool home = path[0] == '~' && (path[1] == '\0' || path_is_separator(path[1]));
  return home ? ": '~' is the home directory in a shell only" : "";
}
