#include "base/place_system.h"

#include <errno.h>
#include <stdatomic.h>

static _Atomic(unsigned) place_system_lacks;

void place_pretend_to_lack(unsigned what) {
  atomic_store(&place_system_lacks, what);
}

bool place_system_pretends_to_lack(unsigned what) {
  return (atomic_load(&place_system_lacks) & what) != 0;
}

bool place_system_is_unsupported(int number) {
  return number == ENOSYS || number == EINVAL || number == ENOTSUP || number == EOPNOTSUPP;
}
