#include "base/system_error.h"

#include <errno.h>

ErrorCode system_error_code(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR: return ERROR_MISSING;
    case EACCES:
    case EPERM: return ERROR_DENIED;
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
    case ETXTBSY:
    case EOVERFLOW: return ERROR_UNOPENED;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ERROR_RESOURCE;
    default: return ERROR_IO;
  }
}

ErrorCode system_error_write_code(int number) {
  switch (number) {
    case ENOSPC:
#if defined(EDQUOT)
    case EDQUOT:
#endif
    case EFBIG: return ERROR_FULL;
    case EROFS:
    case EACCES:
    case EPERM: return ERROR_READ_ONLY;
    default: return system_error_code(number);
  }
}
