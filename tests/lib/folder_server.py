"""A directory on loopback: as the repository org/folder of a hub, in the bucket `folder` of a store, and as files of the web. Every request is a line
(METHOD, PATH, RANGE) in `log`. The hub knows the revision main, the branch `dev`, and the commit; large files are those of git-lfs.

    with FolderServer(directory) as served:
        os.environ.update(served.environment)
        served.places     {"hub": "hf://org/folder", "store": "s3://folder", "web": "http://localhost:PORT/web"}
"""

import hashlib
import json
import os
import re
import threading
import urllib.parse

from store_server import Store
from web_server import COMMIT, Handler, Server

LARGE = (".safetensors", ".bin")


def digest(name, body):
    """What the hub says about a file: SHA-256 of those of git-lfs, else git's blob id."""
    return hashlib.sha256(body).hexdigest() if name.endswith(LARGE) else hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Folder(Handler):
    """What the hub has."""

    def note(self):
        self.web.log.append((self.command, urllib.parse.unquote(self.path.split("?")[0]), self.headers.get("Range")))

    def tree(self, start):
        names = sorted(self.web.names())
        rows = [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted({os.path.dirname(name) for name in names} - {""})]
        for name in names:
            body = self.web.read(name)
            rows.append({"type": "file", "path": name, "size": len(body), "oid": digest(name, body) if not name.endswith(LARGE) else "3" * 40,
                         **({"lfs": {"oid": digest(name, body), "size": len(body), "pointerSize": 130}} if name.endswith(LARGE) else {})})
        link = f"/api/models/org/folder/tree/{COMMIT}?recursive=true&cursor={start + 50}"
        self.reply(200, {"Link": f'<{link}>; rel="next"'} if start + 50 < len(rows) else {}, json.dumps(rows[start:start + 50]).encode())

    def answer(self, fault, name, path):
        asked = re.fullmatch(r"/api/models/org/folder/(revision|tree)/(main|dev|%s)" % COMMIT, path)
        if asked and asked[1] == "revision":
            return self.reply(200, {}, json.dumps({"sha": COMMIT}).encode())
        if asked:
            return self.tree(int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("cursor", ["0"])[0]))
        return self.send(re.fullmatch(r"/org/folder/resolve/%s/(.*)" % COMMIT, path), path)

    def send(self, file, path):
        if path.startswith("/api/") and not path.startswith("/api/models/org/folder/"):
            return self.reply(401, {"X-Error-Code": "RepoNotFound"})
        if not file or file[1] not in self.web.names():
            return self.reply(404, {"X-Error-Code": "RevisionNotFound" if path.startswith("/api/") else "EntryNotFound"})
        body = self.web.read(file[1])
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.headers.get("If-Match", etag) != etag:
            return self.reply(412, {"ETag": etag})
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not span:
            return self.reply(200, {"ETag": etag}, body)
        first, last = int(span[1]), min(int(span[2]), len(body) - 1)
        if first >= len(body):
            return self.reply(416, {"Content-Range": f"bytes */{len(body)}"})
        return self.reply(206, {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first:last + 1])


class FolderWeb(Folder):
    """A server of the web, which knows nothing but files."""

    def answer(self, fault, name, path):
        return self.send(re.fullmatch(r"/web/(.*)", path), path)


class FolderStore(Store):
    """The same files as objects, by anybody."""

    note = Folder.note

    def do_PUT(self):  # pylint: disable=invalid-name
        self.note()
        self.reply(405)

    def answer(self, fault, name, path):
        self.web.files = {key: self.web.read(key) for key in self.web.names()}
        bucket, _, key = path[1:].partition("/")
        if bucket != "folder":
            return self.fail(404, "NoSuchBucket", "The specified bucket does not exist")
        return super().answer(fault, name, f"/public/{key}")


class FolderServer:
    def __init__(self, directory, delay=0):
        self.directory, self.delay, self.log, self.token, self.files = directory, delay, [], None, {}
        self.servers = [Server(("127.0.0.1", 0), type(kind.__name__, (kind,), {"web": self})) for kind in (Folder, FolderStore, FolderWeb)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        hub, store, web = (f"http://localhost:{server.server_port}" for server in self.servers)
        self.environment = {"HF_ENDPOINT": hub, "AWS_ENDPOINT_URL": store, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        self.places = {"hub": "hf://org/folder", "store": "s3://folder", "web": f"{web}/web"}

    def names(self):
        return {os.path.relpath(os.path.join(above, name), self.directory).replace(os.sep, "/")
                for above, _, names in os.walk(self.directory, followlinks=True) for name in names}

    def read(self, name):
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read()

    def asked(self):
        """The requests since the last call."""
        lines, self.log[:] = list(self.log), []
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        for server in self.servers:
            server.shutdown()
            server.server_close()
