#include "tensor/ask.h"

#include "base/platform.h"

enum { ASK_NANOSECONDS = 10000000 /* between two questions */ };

Asking asking_begin(const PassHost *host) {
  bool asks = host != NULL && host->go_on != NULL;
  return (Asking){asks ? host : NULL, asks ? platform_monotonic() : 0};
}

bool asking_go_on(Asking *asking, uint64_t done, Error *error) {
  if (asking->host == NULL) return true;
  int64_t now = platform_monotonic();
  if (now - asking->asked < ASK_NANOSECONDS) return true;
  asking->asked = now;
  return asking->host->go_on(asking->host->context, done, error);
}
