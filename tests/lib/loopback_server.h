/*
** A hub, a store and a web server on loopback, in threads of this process, for programs that count what the rest of it
** allocates and asks of the system. It serves files of the current directory, which are read when it starts:
**
**     /api/models/o/r/revision/main, /api/models/o/r/tree/COMMIT   the repository o/r, in two pages
**     /o/r/resolve/COMMIT/NAME       a redirect to /web/NAME
**     /web/NAME                      a file, or a range of it; with "?change", each time of another state
**     /store/b/?...                  the objects of the bucket b: run/1/x.safetensors and run/2/x.safetensors
**     /store/b/KEY                   one of them
*/
#ifndef LOOPBACK_SERVER_H
#define LOOPBACK_SERVER_H

#define LOOPBACK_COMMIT "0123456789abcdef0123456789abcdef01234567"

/* Starts it, and returns its address, "http://127.0.0.1:PORT". */
const char *loopback_server_start(void);

#endif
