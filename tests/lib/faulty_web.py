"""A hub with its CDN, a store and a web server on loopback in which one request of a statement goes wrong.

Statements are told apart by the name of their case, which is a part of every address, so that many can be under way:
hf://org/CASE, s3://CASE/..., and ADDRESS/web/CASE/... A case has a fault, and the number of the request at which it begins:
at that one alone, or whenever that address is asked for from then on ("always"). FAULTS says how each changes an answer."""

import gzip
import hashlib
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

from web_server import COMMIT, Server


class Answer:
    """An answer: its status, headers and body, and what the connection does after them."""

    def __init__(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, dict(headers), body
        self.raw = None  # bytes instead of all of it
        self.cut = self.reset = self.stall = self.quiet = False

    def become(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, dict(headers), body


class Case:
    def __init__(self, files, fault, number, always, newer=None):
        self.files, self.fault, self.number, self.always = files, fault, number, always
        self.newer = newer or files
        self.count, self.place, self.asked = 0, None, []
        self.lock = threading.Lock()

    def strikes(self, place, request):
        """Whether this request goes wrong."""
        with self.lock:
            self.count += 1
            self.asked.append(request)
            if self.count == self.number:
                self.place = place
            return self.count == self.number or (self.always and place == self.place)


# ---- What goes wrong ----

def shift_range(answer):
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
    if found:
        first, last, size = map(int, found.groups())
        answer.headers["Content-Range"] = f"bytes {first + 8}-{last + 8}/{size + 8}"


def lie_about_size(answer):
    found = re.fullmatch(r"(bytes .*)/(\d+)", answer.headers.get("Content-Range", ""))
    if found:
        answer.headers["Content-Range"] = f"{found[1]}/{int(found[2]) + 4096}"


def pack(answer):
    answer.body = gzip.compress(answer.body)
    answer.headers["Content-Encoding"] = "gzip"


def set_raw(raw):
    def change(answer):
        answer.raw = raw
    return change


def set_flag(name):
    def change(answer):
        setattr(answer, name, True)
    return change


def become(*words):
    return lambda answer: answer.become(*words)


def part_as_whole(answer):
    if answer.status == 206:
        answer.status = 200
        del answer.headers["Content-Range"]


def other_etag(answer):
    if "ETag" in answer.headers:
        answer.headers["ETag"] = '"another"'


def no_etag(answer):
    answer.headers.pop("ETag", None)


def set_length(by):
    def change(answer):
        answer.headers["Content-Length"] = str(max(len(answer.body) + by, 0))
        answer.cut = by > 0
    return change


# Each may be tried at one request or, where it is listed in LASTING, always from there on, too.
FAULTS = {
    "404": become(404), "403": become(403, {}, b"Forbidden"), "401": become(401), "400": become(400), "410": become(410), "500": become(500, {"Retry-After": "0"}),
    "503": become(503, {"Retry-After": "0"}), "429": become(429, {"RateLimit": '"api";r=0;t=0'}), "429 for an hour": become(429, {"Retry-After": "3600"}, b"Slow down"),
    "204": become(204), "304": become(304), "412": become(412), "416": become(416, {"Content-Range": "bytes */3"}), "999": set_raw(b"HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx"),
    "cut": set_flag("cut"), "reset": set_flag("reset"), "no word": set_raw(b""), "garbage": set_raw(b"\x16\x03\x01\x00" * 50), "half a header": set_raw(b"HTTP/1.1 206 Partial Content\r\nETag: \"v"),
    "stalled": set_flag("stall"), "quiet": set_flag("quiet"), "other ETag": other_etag, "no ETag": no_etag, "newer": None, "whole": None,
    "shifted range": shift_range, "other size": lie_about_size, "no range": lambda answer: answer.headers.pop("Content-Range", None), "odd range": lambda answer: answer.headers.update({"Content-Range": "bytes 0-18446744073709551615/18446744073709551616"}),
    "huge size": lambda answer: answer.headers.update({"Content-Range": re.sub("/.*", "/9223372036854775806", answer.headers.get("Content-Range", "bytes 0-1/2"))}),
    "part as whole": part_as_whole, "too long": set_length(100), "too short": set_length(-10), "empty": lambda answer: setattr(answer, "body", b""), "gzip": pack,
    "loop": become(302, {"Location": "LOOP"}), "nowhere": become(302), "inside": become(302, {"Location": "http://169.254.169.254/latest/meta-data"}), "secure inside": become(302, {"Location": "https://169.254.169.254/x"}),
    "odd place": become(302, {"Location": "https://user@[::1%25lo]/\\@x"}), "a page": become(200, {"Content-Type": "text/html"}, b"<html>log in</html>"), "long headers": set_raw(b"HTTP/1.1 206 P\r\n" + b"X: " + b"x" * 200000 + b"\r\n\r\n"),
    "many headers": set_raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000 + b"\r\n"), "long ETag": set_raw(b'HTTP/1.1 206 OK\r\nETag: "' + b"e" * (1 << 20) + b'"\r\nContent-Length: 0\r\n\r\n'),
    "endless words": set_raw(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 4000000000\r\n\r\n" + b"w" * 1000000), "large failure": set_raw(b"HTTP/1.1 404 No\r\nContent-Length: 18446744073709551615\r\n\r\n" + b"w" * 100000),
    "early hints": set_raw(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 200),
}
LASTING = ("404", "403", "401", "500", "429", "cut", "reset", "no word", "garbage", "stalled", "quiet", "other ETag", "newer", "whole", "loop", "gzip", "a page")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web = None

    def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        path = urllib.parse.unquote(self.path.split("?")[0])
        found = re.match(r"/(?:api/models/org|org|cdn|web|store)/([\w-]+)", path)
        case = self.web.cases.get(found[1]) if found else None
        if case is None:
            return self.send(Answer(404, {"X-Error-Code": "RepoNotFound"}))
        struck = case.strikes(path, (self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"), self.headers.get("Host"), self.server.server_port))
        files = case.newer if struck and case.fault == "newer" else case.files
        answer = self.compose(path, found[1], files, struck and case.fault == "whole")
        if struck and FAULTS[case.fault] is not None:
            FAULTS[case.fault](answer)
            if answer.headers.get("Location") == "LOOP":
                answer.headers["Location"] = self.path
        try:
            return self.send(answer)
        except OSError:
            self.close_connection = True
        return None

    def compose(self, path, name, files, whole):
        """The right answer."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if path.startswith("/api/"):
            if "/revision/" in path:
                return Answer(200, {}, json.dumps({"sha": COMMIT}).encode())
            start = int(query.get("cursor", ["0"])[0])
            rows = [{"type": "file", "size": len(body), "path": file, "lfs": {"oid": hashlib.sha256(body).hexdigest()}} for file, body in files.items()]
            link = {"Link": f'<{self.web.hub}/api/models/org/{name}/tree/{COMMIT}?recursive=true&cursor={start + 2}>; rel="next"'} if start + 2 < len(rows) else {}
            return Answer(200, link, json.dumps(rows[start:start + 2]).encode())
        key = path.split("/", 3)[3] if path.count("/") > 2 else ""
        if path.startswith("/org/"):
            key = key.split("/", 2)[2]
            return Answer(302 if key in files else 404, {"Location": f"{self.web.cdn}/cdn/{name}/{urllib.parse.quote(key)}?Signature=secret", "X-Repo-Commit": COMMIT, "X-Error-Code": "EntryNotFound"})
        if path.startswith("/store/") and not key:
            return self.list_objects(query, files)
        if key not in files:
            return Answer(404)
        body, etag = files[key], f'"{hashlib.md5(files[key]).hexdigest()}"'
        if self.headers.get("If-Match", etag) != etag:
            return Answer(412, {"ETag": etag})
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if whole or not asked:
            return Answer(200, {"ETag": etag}, body)
        first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
        return Answer(206, {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first:last + 1])

    def list_objects(self, query, files):
        prefix, start = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        names = sorted(name for name in files if name.startswith(prefix) and name > start)
        rows = "".join(f"<Contents><Key>{name}</Key><ETag>&quot;x&quot;</ETag><Size>{len(files[name])}</Size></Contents>" for name in names[:2])
        token = f"<NextContinuationToken>{names[1]}</NextContinuationToken>" if len(names) > 2 else ""
        return Answer(200, {}, f'<?xml version="1.0"?><ListBucketResult xmlns="x">{token}{rows}</ListBucketResult>'.encode())

    def send(self, answer):
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if answer.quiet:
            self.web.stopping.wait(60)
        if answer.raw is not None or answer.quiet:
            self.wfile.write(answer.raw or b"")
            return self.hang_up()
        head = f"HTTP/1.1 {answer.status} Some Words\r\n"
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            head += f"{name}: {value}\r\n"
        partly = answer.cut or answer.stall
        self.wfile.write(head.encode() + b"\r\n" + (answer.body[:len(answer.body) // 2] if partly else answer.body))
        if answer.stall:
            self.wfile.flush()
            self.web.stopping.wait(60)
        if partly or int(answer.headers.get("Content-Length", len(answer.body))) != len(answer.body):
            self.hang_up()
        return None

    def hang_up(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


class FaultyWeb:
    """Both servers: `hub` (which is also the store and the web), and `cdn`, at another origin."""

    def __init__(self):
        self.cases, self.stopping = {}, threading.Event()
        self.servers = [Server(("127.0.0.1", 0), type("Bound", (Handler,), {"web": self})) for _ in range(2)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        self.hub, self.cdn = (f"http://localhost:{server.server_port}" for server in self.servers)
        self.store = f"{self.hub}/store"

    def stop(self):
        self.stopping.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        time.sleep(0)
