"""A hub and its CDN on loopback, each answer of which comes `delay` seconds after its request, for measurements: several
processes that answer from memory, many requests at a time.

Repositories are dictionaries of files. A file is a pair: its first bytes, and its size, up to which it is filled with zeros.
Large files (*.safetensors) are at the CDN, to which the hub redirects, as the Hub does."""

import asyncio
import hashlib
import json
import mmap
import os
import re
import signal
import socket
import struct
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KINDS = ("interface", "redirects", "files", "bytes")


def header_file(names, dtype="BF16", shape=(2048, 1408)):
    """The first bytes of a file with tensors of these names, and its size."""
    size, header, at = 2 * shape[0] * shape[1], {}, 0
    for name in names:
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, 8 + len(text) + at


def index_file(shards):
    """An index, as transformers writes it, of shards: names of tensors by file."""
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": {name: shard for shard, names in shards.items() for name in names}}, indent=2)
    return text.encode(), len(text.encode())


class Connection(asyncio.Protocol):
    hub = None

    def __init__(self, cdn):
        self.cdn, self.waiting, self.transport = cdn, b"", None

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            head, self.waiting = self.waiting.split(b"\r\n\r\n", 1)
            answer = self.hub.answer(self.cdn, head.decode("latin-1"))
            if self.hub.delay:
                asyncio.get_running_loop().call_later(self.hub.delay, self.write, answer)
            else:
                self.write(answer)

    def write(self, answer):
        if not self.transport.is_closing():
            self.transport.write(answer)


class DelayedHub:
    """Serves until stop(). `hub` and `cdn` are the addresses."""

    def __init__(self, repositories, delay=0.05, processes=2):
        self.repositories, self.delay = repositories, delay
        self.trees = {name: json.dumps([{"type": "file", "path": path, "size": size, "oid": "0" * 40,
                                         **({"lfs": {"oid": hashlib.sha256(path.encode()).hexdigest(), "size": size, "pointerSize": 130}} if path.endswith(".safetensors") else {})}
                                        for path, (_, size) in files.items()]).encode() for name, files in repositories.items()}
        self.shared = mmap.mmap(-1, 64 * processes)
        self.sockets = [self.listen(0), self.listen(0)]
        self.ports = [each.getsockname()[1] for each in self.sockets]
        self.hub, self.cdn = (f"http://localhost:{port}" for port in self.ports)
        self.process, self.children = 0, []
        for self.process in range(processes):
            child = os.fork()
            if child == 0:
                self.run()
            self.children.append(child)

    def listen(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        listener.setblocking(False)
        return listener

    def run(self):
        async def serve():
            loop = asyncio.get_running_loop()
            handler = type("Connection", (Connection,), {"hub": self})
            for cdn, listener in enumerate(self.sockets):
                await loop.create_server(lambda cdn=cdn: handler(cdn), sock=listener)
            while os.getppid() == parent:
                await asyncio.sleep(0.2)
        parent = os.getppid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            asyncio.run(serve())
        finally:
            os._exit(0)

    def stop(self):
        for child in self.children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for each in self.sockets:
            each.close()

    # ---- What was asked for ----

    def count(self, kind, number=1):
        at = 64 * self.process + 8 * KINDS.index(kind)
        self.shared[at:at + 8] = struct.pack("<Q", struct.unpack("<Q", self.shared[at:at + 8])[0] + number)

    def counts(self):
        """Requests (and bytes of bodies) since the last call, by kind."""
        numbers = {kind: sum(struct.unpack("<Q", self.shared[at:at + 8])[0] for at in range(8 * place, len(self.shared), 64)) for place, kind in enumerate(KINDS)}
        self.shared[:] = bytes(len(self.shared))
        return numbers

    # ---- Answers ----

    @staticmethod
    def reply(head_only, status, headers, body=b""):
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        if "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else body)

    def send(self, head_only, file, asked, headers):
        first_bytes, size = file
        begin, end = (int(asked[1]), min(int(asked[2]) + 1, size)) if asked else (0, size)
        if head_only:
            return self.reply(True, 200, {**headers, "Content-Length": size})
        if begin >= size:
            return self.reply(False, 416, {"Content-Range": f"bytes */{size}"})
        body = first_bytes[begin:end]
        body += bytes(end - begin - len(body))
        self.count("bytes", len(body))
        if asked:
            headers = {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{size}"}
        return self.reply(False, 206 if asked else 200, headers, body)

    def answer(self, cdn, head):
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        path = urllib.parse.unquote(target.split("?")[0])
        asked = re.search(r"\r\nrange: *bytes=(\d+)-(\d+)", head, re.I)
        head_only = method == "HEAD"
        place = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/(revision|tree)/[^/]+)?", path)
        if place and place[1] in self.trees:
            self.count("interface")
            files = self.repositories[place[1]]
            body = self.trees[place[1]] if place[2] == "tree" else json.dumps({"id": place[1], "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}).encode()
            return self.reply(head_only, 200, {"Content-Type": "application/json"}, body)
        place = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path)
        file = self.repositories.get(place[1], {}).get(place[3]) if place else None
        if not file:
            self.count("interface")
            return self.reply(head_only, 404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        etag = hashlib.sha256(place[3].encode()).hexdigest()
        if cdn:
            self.count("files")
            return self.send(head_only, file, asked, {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"})
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if not place[3].endswith(".safetensors"):
            self.count("files")
            return self.send(head_only, file, asked, headers)
        self.count("redirects")
        return self.reply(head_only, 302, {**headers, "Location": f"{self.cdn}{target}?Expires={time.time() + 3600:.0f}&Signature=x", "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": file[1]})
