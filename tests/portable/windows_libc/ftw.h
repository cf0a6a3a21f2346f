/* nftw(), as far as the runner uses it: depth first, without following links. */
#ifndef TESTS_PORTABLE_FTW_H
#define TESTS_PORTABLE_FTW_H

#include <sys/stat.h>

enum { FTW_F, FTW_DP };
enum { FTW_DEPTH = 1, FTW_PHYS = 2 };

struct FTW {
  int base, level;
};

int nftw(const char *path,
         int (*entry)(const char *path, const struct stat *status, int type, struct FTW *walk),
         int descriptors, int flags);

#endif
