/*
** Paths of both styles, on every system. What is expected of Windows' paths is what Python's ntpath
** says (splitdrive(), dirname(), basename()), but that a drive is a letter, and of POSIX' paths what
** dirname(3) and basename(3) say, but that a file without a directory is not in ".".
*/
#include "base/path.h"

#include "program.h"

typedef struct Example {
  PathStyle style;
  const char *path, *root, *directory, *name;
} Example;

static const Example examples[] = {
    {PATH_STYLE_POSIX, "", "", "", ""},
    {PATH_STYLE_POSIX, "a", "", "", "a"},
    {PATH_STYLE_POSIX, "a/b", "", "a", "b"},
    {PATH_STYLE_POSIX, "/", "/", "/", ""},
    {PATH_STYLE_POSIX, "/a", "/", "/", "a"},
    {PATH_STYLE_POSIX, "//a", "//", "/", "a"},
    {PATH_STYLE_POSIX, "/a/b/", "/", "/a/b", ""},
    {PATH_STYLE_POSIX, "a\\b", "", "", "a\\b"},
    {PATH_STYLE_POSIX, "C:\\a", "", "", "C:\\a"},
    {PATH_STYLE_WINDOWS, "", "", "", ""},
    {PATH_STYLE_WINDOWS, "a", "", "", "a"},
    {PATH_STYLE_WINDOWS, "a/b\\c", "", "a/b", "c"},
    {PATH_STYLE_WINDOWS, "a\\b/c", "", "a\\b", "c"},
    {PATH_STYLE_WINDOWS, "\\a", "\\", "\\", "a"},
    {PATH_STYLE_WINDOWS, "/a/b", "/", "/a", "b"},
    {PATH_STYLE_WINDOWS, "C:", "C:", "C:", ""},
    {PATH_STYLE_WINDOWS, "C:a", "C:", "C:", "a"},
    {PATH_STYLE_WINDOWS, "c:a\\b", "c:", "c:a", "b"},
    {PATH_STYLE_WINDOWS, "C:\\", "C:\\", "C:\\", ""},
    {PATH_STYLE_WINDOWS, "C:\\a", "C:\\", "C:\\", "a"},
    {PATH_STYLE_WINDOWS, "C:/a/b", "C:/", "C:/a", "b"},
    {PATH_STYLE_WINDOWS, "1:a\\b", "", "1:a", "b"},
    {PATH_STYLE_WINDOWS, "\\\\server\\share\\a\\b", "\\\\server\\share\\", "\\\\server\\share\\a",
     "b"},
    {PATH_STYLE_WINDOWS, "//server/share/a", "//server/share/", "//server/share/", "a"},
    {PATH_STYLE_WINDOWS, "\\\\server\\share", "\\\\server\\share", "\\\\server\\share", ""},
    {PATH_STYLE_WINDOWS, "\\\\?\\C:\\a*\\b", "\\\\?\\C:\\", "\\\\?\\C:\\a*", "b"},
    {PATH_STYLE_WINDOWS, "\\\\?\\UNC\\server\\share\\a", "\\\\?\\UNC\\server\\share\\",
     "\\\\?\\UNC\\server\\share\\", "a"},
};

static bool is_start(const char *path, size_t length, const char *expected) {
  return length == strlen(expected) && strncmp(path, expected, length) == 0;
}

static void check_example(const Example *example) {
  const char *path = example->path;
  bool good = is_start(path, path_style_root(example->style, path), example->root) &&
              is_start(path, path_style_directory(example->style, path), example->directory) &&
              strcmp(path + path_style_name(example->style, path), example->name) == 0;
  check(good, path);
}

static void check_joints(void) {
  check(strcmp(path_style_joint(PATH_STYLE_POSIX, "a"), "/") == 0, "a/b");
  check(strcmp(path_style_joint(PATH_STYLE_POSIX, "/"), "") == 0, "/b");
  check(strcmp(path_style_joint(PATH_STYLE_POSIX, ""), "") == 0, "b");
  check(strcmp(path_style_joint(PATH_STYLE_POSIX, "a\\"), "/") == 0, "a\\/b");
  check(strcmp(path_style_joint(PATH_STYLE_POSIX, "C:"), "/") == 0, "C:/b of POSIX");
  check(strcmp(path_style_joint(PATH_STYLE_WINDOWS, "a"), "/") == 0, "a/b of Windows");
  check(strcmp(path_style_joint(PATH_STYLE_WINDOWS, "a\\"), "") == 0, "a\\b");
  check(strcmp(path_style_joint(PATH_STYLE_WINDOWS, "C:"), "") == 0, "C:b, which is not C:/b");
  check(strcmp(path_style_joint(PATH_STYLE_WINDOWS, "C:a"), "/") == 0, "C:a/b");
}

int main(void) {
  for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) check_example(&examples[i]);
  check_joints();
  return finish();
}
