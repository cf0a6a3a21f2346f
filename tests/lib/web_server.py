"""A hub and its CDN on loopback, for the tests of the network. What a file's name begins with, up to a "+", is what goes
wrong with it:

    plain+a        nothing                              gated+a       403 without the token "hf_test", X-Error-Message
    missing+a      404                                  limit+a       429 twice, with RateLimit
    later+a        503 twice, with Retry-After: 1       never+a       503 always, with Retry-After: 3600
    failing+a      500 always                           expired+a     the first signed address has expired
    expiring+a     signed addresses live for 0.5 s      change+a      another ETag from the second answer on
    norange+a      200 with the whole file              cut+a         half of the body, then the end
    cutonce+a      the same, the first time             gzip+a        packed
    slow+a         a pause of 0.3 s in each answer      stall+a       half of the body, then nothing
    nohead+a       405 for HEAD                         loop+a        redirects without end
    inside+a       a redirect to http://169.254.169.254 local+a       a redirect to http://127.0.0.1 (the CDN)
    relative+a     a redirect to a path of the hub      words+a       403 with S3's XML
    garbage+a      no HTTP at all                       close+a       closes the connection without a word
    longheader+a   headers of 100 kB                    unsized+a     a whole file, chunked, whatever the range
    wrongrange+a   206 with another range               nowhere+a     a 302 without Location
    version+a      an ETag that depends on the bytes    weak+a        a weak ETag

The file is what follows the "+". The repository org/name has these files: "model-NAME" for each of `files`, and
config.json; its interface (/api) lists two on a page. Other repositories: org/gated, org/private (401), org/moved (a
redirect to org/name), org/busy (429 always), and org/odd-WHAT, whose answers are wrong in one thing.

 Every request is a line (WHO, METHOD, PATH, RANGE, AUTHORIZATION, CONNECTION) in `log`.
"""

import gzip
import hashlib
import json
import os
import re
import socket
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        """A client that has gone is no error."""


class Web:
    """Both servers. `files` maps names to bytes; hub and cdn are their addresses. With `plain`, the files of the repository
    have these names."""

    def __init__(self, files, delay=0, certificate=None, plain=False):
        self.files, self.delay, self.log, self.counts, self.plain = files, delay, [], {}, plain
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.servers = [self.start(Hub, certificate), self.start(Cdn, certificate)]
        scheme = "https" if certificate else "http"
        self.hub, self.cdn = (f"{scheme}://localhost:{server.server_port}" for server in self.servers)

    def start(self, handler, certificate):
        server = Server(("127.0.0.1", 0), type(handler.__name__, (handler,), {"web": self}))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        return server

    def count(self, what):
        """How often this has been asked for, with this time."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            return self.counts[what]

    def stop(self):
        self.stopping.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web = None

    def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
        pass

    def note(self):
        self.web.log.append((type(self).__name__, self.command, self.path, self.headers.get("Range"),
                             self.headers.get("Authorization"), self.client_address[1]))

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):  # pylint: disable=invalid-name
        self.do_GET()

    def do_GET(self):  # pylint: disable=invalid-name
        self.note()
        if self.web.delay:
            time.sleep(self.web.delay)
        path = urllib.parse.unquote(self.path.split("?")[0])
        fault, _, name = path.rsplit("/", 1)[-1].rpartition("+")
        try:
            self.answer(fault, name, path)
        except OSError:
            self.close_connection = True

    def hang_up(self, say=b""):
        if say:
            self.wfile.write(say)
            self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


class Hub(Handler):
    """Sends every file to the CDN, as the Hub does with large ones."""

    def list_files(self, repository, start):
        """A page of two files, with a link to the next one."""
        rows = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "sub"},
                {"type": "file", "oid": "1" * 40, "size": 2, "path": "sub/a b#1.json"}]
        for name, body in self.web.files.items():
            digest = hashlib.sha256(body).hexdigest()
            rows.append({"type": "file", "oid": "2" * 40, "size": len(body), "path": name if self.web.plain else f"model-{name}",
                         "lfs": {"oid": digest, "size": len(body), "pointerSize": 130}})
        link = f"/api/models/{repository}/tree/{COMMIT}?recursive=true&cursor={start + 2}"
        odd = {"odd-path": [{"type": "file", "size": 1, "path": "../../etc/passwd"}], "odd-size": [{"type": "file", "size": -1, "path": "a"}],
               "odd-list": {"error": "no"}, "odd-entry": [3]}.get(repository[4:])
        if repository == "org/odd-link":
            link = f"{self.web.cdn}/api/next"
        headers = {"Link": f'<{link}>; rel="next"'} if start + 2 < len(rows) else {}
        self.reply(200, headers, json.dumps(rows[start:start + 2] if odd is None else odd).encode())

    def answer_interface(self, path):
        asked = re.fullmatch(r"/api/(models|datasets)/(\w+/[\w-]+)/(revision|tree)/([^/]+)", path)
        if not asked:
            return self.reply(404, {"X-Error-Code": "RepoNotFound"})
        repository, what, revision = asked[2], asked[3], asked[4]
        authorised = self.headers.get("Authorization") == "Bearer hf_test"
        if repository == "org/moved":
            return self.reply(307, {"Location": self.path.replace("org/moved", "org/name")})
        if repository == "org/gated" and not authorised:
            return self.reply(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model is restricted"})
        if repository == "org/private" and not authorised:
            return self.reply(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if repository == "org/busy":
            return self.reply(429, {"Retry-After": "300"}, b"We had to rate limit you")
        if not (repository in ("org/name", "org/gated", "org/private") or repository.startswith("org/odd")):
            return self.reply(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "refs%2Fpr%2F1", COMMIT):
            return self.reply(404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        if what == "tree":
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            return self.list_files(repository, int(query.get("cursor", ["0"])[0]))
        body = {"odd-json": b"{", "odd-sha": b'{"sha": "../../x"}', "odd-none": b"{}", "odd-type": b"[]"}.get(repository[4:])
        return self.reply(200, {}, body or json.dumps({"id": repository, "sha": COMMIT}).encode())

    def answer(self, fault, name, path):
        if path.startswith("/api/"):
            return self.answer_interface(self.path.split("?")[0])
        times = self.web.count("hub " + path)
        errors = {"missing": (404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}),
                  "failing": (500, {}), "never": (503, {"Retry-After": "3600"}),
                  "nowhere": (302, {}), "loop": (302, {"Location": self.path})}
        passing = {"limit": (429, {"RateLimit": '"resolvers";r=0;t=1'}), "later": (503, {"Retry-After": "1"})}
        if fault in errors:
            return self.reply(*errors[fault])
        if fault in passing and times <= 2:
            return self.reply(*passing[fault])
        if fault == "gated" and self.headers.get("Authorization") != "Bearer hf_test":
            return self.reply(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this model is restricted"})
        if fault == "inside":
            return self.reply(302, {"Location": "http://169.254.169.254/latest/meta-data"})
        if fault == "garbage":
            return self.hang_up(b"\x16\x03\x01nonsense\r\n\r\n")
        if fault == "close":
            return self.hang_up()
        if fault == "longheader":
            return self.reply(200, {f"X-{number}": "x" * 1000 for number in range(100)})
        if fault == "relative" and "moved" not in path:
            return self.reply(307, {"Location": "moved/" + path.rsplit("/", 1)[-1]})
        name = name if self.web.plain else name.removeprefix("model-")
        if name not in self.web.files:
            return self.reply(404, {"X-Error-Code": "EntryNotFound"})
        body = self.web.files[name]
        lives = 0.5 if fault == "expiring" else -1 if fault == "expired" and times == 1 else 3600
        where = f"{self.web.cdn}/{fault}+{name}?Expires={time.time() + lives:.2f}&Signature=secret"
        return self.reply(302, {"Location": where, "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(body)),
                                "X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"'})


class Cdn(Handler):
    """Ranges of files, for signed addresses."""

    def send(self, fault, headers, status, body):
        if fault == "gzip":
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault == "unsized":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "unsized":
            for at in range(0, len(body), 1 << 16):
                piece = body[at:at + (1 << 16)]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        halves = fault in ("cut", "stall", "slow") or (fault == "cutonce" and self.web.count("cut " + self.path.split("?")[0]) == 1)
        self.wfile.write(body[:len(body) // 2] if halves else body)
        if fault == "stall":
            self.wfile.flush()
            self.web.stopping.wait(60)
        if fault == "slow":
            self.wfile.flush()
            time.sleep(0.3)
            self.wfile.write(body[len(body) // 2:])
        elif halves:
            self.hang_up()

    def answer(self, fault, name, path):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.headers.get("Authorization"):
            return self.reply(400, {}, b"Only one auth mechanism allowed")
        if float(query.get("Expires", ["inf"])[0]) < time.time() or fault == "words":
            words = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return self.reply(403, {"Content-Type": "application/xml"}, words)
        if fault == "nohead" and self.command == "HEAD":
            return self.reply(405)
        body = self.web.files[name]
        times = self.web.count("cdn " + path)
        version = hashlib.md5(body).hexdigest() if fault == "version" else "v2" if fault == "change" and times > 1 else "v1"
        etag = f'W/"{version}"' if fault == "weak" else f'"{version}"'
        if self.headers.get("If-Match", etag) != etag:
            return self.reply(412, {"ETag": etag})
        if self.headers.get("If-None-Match") == etag:
            return self.reply(304, {"ETag": etag})
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not asked or fault in ("norange", "unsized"):
            return self.send(fault, {"ETag": etag}, 200, body)
        first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
        if first >= len(body):
            return self.reply(416, {"Content-Range": f"bytes */{len(body)}"})
        if fault == "wrongrange":
            first, last = first + 1, min(last + 1, len(body) - 1)
        return self.send(fault, {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(body)}"}, 206, body[first:last + 1])


def pages(*arguments, **options):
    """A Web that is stopped by `with`."""
    class Stopped:
        def __enter__(self):
            self.web = Web(*arguments, **options)
            return self.web

        def __exit__(self, *problem):
            self.web.stop()
    return Stopped()


def authority(directory, addresses=("127.0.0.1",)):
    """Makes a certificate for localhost and addresses, and an authority of its own, with openssl. Returns the paths of the authority's
    certificate, and of the server's with its key."""
    def openssl(*words):
        os.system("cd '%s' && openssl %s 2>/dev/null" % (directory, " ".join(words)))
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=tests -addext basicConstraints=critical,CA:TRUE")
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost")
    with open(os.path.join(directory, "names"), "w", encoding="utf-8") as file:
        file.write("subjectAltName=DNS:localhost" + "".join(f",IP:{address}" for address in addresses) + "\n")
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt")
    openssl("x509 -in server.crt >server.pem; cat server.key >>server.pem; true")
    return os.path.join(directory, "ca.pem"), os.path.join(directory, "server.pem")
