/*
** jansson's private configuration, for any compiler with the builtins of gcc and any system, without
** configure. Where the random device cannot be opened, jansson seeds its hash tables with the time
** and the process's number.
*/
#define HAVE_STDINT_H           1
#define HAVE_SYS_TYPES_H        1
#define HAVE_ATOMIC_BUILTINS    1
#define INITIAL_HASHTABLE_ORDER 3

#if defined(_WIN32)
#define USE_WINDOWS_CRYPTOAPI 1
#else
#define HAVE_UNISTD_H     1
#define HAVE_FCNTL_H      1
#define HAVE_SCHED_H      1
#define HAVE_SYS_STAT_H   1
#define HAVE_SYS_TIME_H   1
#define HAVE_OPEN         1
#define HAVE_CLOSE        1
#define HAVE_READ         1
#define HAVE_GETPID       1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_SCHED_YIELD  1
#define USE_URANDOM       1
#endif
