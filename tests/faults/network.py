#!/usr/bin/env python3
"""Requests of HTTP (base/http.c) against a hub and its CDN on loopback: every fault of tests/lib/web_server.py is an
answer or an error in time; secrets go to nobody else; private addresses are not asked; interrupts are quick. All by
libcurl, and then, where that cannot be opened, by the program curl.

Covers little: of all lines, others reach nearly as many.
"""

import hashlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from fetching import Fetching, without_library  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position
from web_server import COMMIT, Web, authority  # noqa: E402  pylint: disable=wrong-import-position

SECRET = "Authorization: Bearer hf_test"
WHOLE = bytes(range(256)) * 4096  # 1 MiB
tally = Tally()
root = tempfile.mkdtemp()
web = Web({"a": WHOLE})
base = f"{web.hub}/org/name/resolve/main"
fetching = Fetching(tally)
fetch = fetching.fetch


def one(name, *options, **more):
    lines, seconds = fetch(*options, name if "://" in name else f"{base}/{name}", **more)
    return lines[0], seconds


def has(answer, **expected):
    return all(answer.get(key) == value for key, value in expected.items())


def test_ranges():
    answer, _ = one("plain+a", "--range", "1000+5000")
    tally.check(has(answer, status=206, length=5000, sum=sum(WHOLE[1000:6000]), stopped=0), "a range", str(answer))
    tally.equal(answer["Content-Range"], f"bytes 1000-5999/{len(WHOLE)}", "Content-Range")
    answer, _ = one("plain+a")
    tally.check(has(answer, status=200, length=len(WHOLE), sum=sum(WHOLE)), "a whole file", str(answer))
    answer, _ = one("plain+a", "--range", "2000000+5")
    tally.check(has(answer, status=416), "a range behind the end", str(answer))
    answer, _ = one("plain+a", "--head")
    tally.check(has(answer, status=200, length=0, ETag='"v1"'), "HEAD", str(answer))


def test_answers():
    """What comes of each fault, with a request for the first 1000 bytes of at most 1000."""
    whole = {"length": 1000, "sum": sum(WHOLE[:1000])}
    expected = {
        "missing": {"status": 404, "words": "Entry not found"}, "gated": {"status": 403, "words": "Access to this model is restricted"},
        "never": {"status": 503}, "norange": {"status": 200, "stopped": 1}, "unsized": {"status": 200, "stopped": 1},
        "slow": {"status": 206, **whole}, "relative": {"status": 206, **whole}, "expired": {"status": 403, "words": "Request has expired"},
        "nohead": {"status": 206, **whole}, "wrongrange": {"status": 206, "Content-Range": f"bytes 1-1000/{len(WHOLE)}"},
        "words": {"status": 403, "words": "Request has expired"}, "nowhere": {"status": 302}, "change": {"status": 206, **whole},
        "gzip": {"status": 0}, "loop": {"status": 0}, "longheader": {"status": 0}}
    for fault, answer in expected.items():
        got, seconds = one(f"{fault}+a", "--range", "0+1000")
        tally.check(has(got, **answer), fault, f"expected {answer}", f"got      {got}")
        tally.check(seconds < 2, f"{fault}: in time", f"{seconds:.1f} s")
        tally.check(got["status"] > 0 or got["error"].startswith("safetensors: http"), f"{fault}: a sentence", str(got))


def test_waits():
    """What passes is tried again after as long as the server says; what does not pass, five times."""
    for fault in "limit", "later":
        answer, seconds = one(f"{fault}+a", "--range", "0+1000")
        tally.check(has(answer, status=206, length=1000) and 2 <= seconds < 4, fault, str(answer), f"{seconds:.1f} s")
    answer, seconds = one("cutonce+a", "--range", "0+1000")
    tally.check(has(answer, status=206, length=1000) and 1 <= seconds < 3, "a body that is cut once", str(answer), f"{seconds:.1f} s")
    before = len(web.log)
    lines, seconds = fetch("--range", "0+1000", *(f"{base}/{fault}+a" for fault in ("failing", "cut", "garbage", "close")))
    found = {line["url"].rsplit("/", 1)[-1]: line for line in lines[:4]}
    tally.equal(found["failing+a"]["status"], 500, "a server that fails")
    for fault in "cut", "garbage", "close":
        tally.check("expected an answer of localhost, found: " in found[f"{fault}+a"]["error"], fault, str(found[f"{fault}+a"]))
    tally.check(15 <= seconds < 20, "1 + 2 + 4 + 8 seconds", f"{seconds:.1f} s")
    asked = [line for line in web.log[before:] if "failing+a" in line[2]]
    tally.equal(len(asked), 5, "tries")


def test_stall():
    answer, seconds = one("stall+a", "--range", "0+1000", "--stall", "2", "--interrupt", "6")
    tally.check("error" in answer and seconds < 7, "a server that stalls", str(answer), f"{seconds:.1f} s")
    answer, seconds = one("stall+a", "--range", "0+1000", "--interrupt", "1")
    tally.check("interrupted" in answer["error"] and seconds < 1.3, "an interrupt while a body is waited for", str(answer), f"{seconds:.2f} s")
    answer, seconds = one("failing+a", "--interrupt", "2")
    tally.check("interrupted" in answer["error"] and seconds < 2.3, "an interrupt between two tries", str(answer), f"{seconds:.2f} s")


def test_match():
    answer, _ = one("plain+a", "--range", "0+10", "--match", '"v1"')
    tally.check(has(answer, status=206, length=10), "the same file", str(answer))
    answer, _ = one("plain+a", "--range", "0+10", "--match", '"v0"')
    tally.check(has(answer, status=412), "another file", str(answer))


def test_secrets():
    before = len(web.log)
    answer, _ = one("gated+a", "--range", "0+1000", "--secret", SECRET)
    tally.check(has(answer, status=206, length=1000), "with the token", str(answer))
    answer, _ = one("relative+a", "--range", "0+1000", "--secret", SECRET)
    tally.check(has(answer, status=206), "a repository that was renamed", str(answer))
    hub = [line[4] for line in web.log[before:] if line[0] == "Hub"]
    cdn = [line[4] for line in web.log[before:] if line[0] == "Cdn"]
    tally.equal((hub, cdn), (["Bearer hf_test"] * 3, [None] * 2), "who sees the token")


def listener():
    """A server that notes whether anybody connects, and its port."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    came = threading.Event()

    def accept():
        try:
            server.accept()
            came.set()
        except OSError:
            pass
    threading.Thread(target=accept, daemon=True).start()
    return server, came, server.getsockname()[1]


def test_addresses():
    """The fetcher's own address is loopback in all other tests; here it is not."""
    for address in ("http://example.invalid/x", "ftp://example.invalid/x", "https://user@example.invalid/x", "file:///etc/passwd", "https://a b/"):
        answer, seconds = one(address)
        tally.check("expected" in answer.get("error", "") and seconds < 1, address, str(answer))
    answer, _ = one("inside+a")
    tally.check("expected https://, found http://169.254.169.254" in answer["error"], "a redirect to the link's address", str(answer))


def test_names_of_private_addresses():
    """A name that leads to this machine, as a hostile server's may, is not connected to, unless it is trusted."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ""
    if not address.startswith(("127.", "10.", "172.", "192.168.", "169.254.", "100.")):
        print(f"skipped: {name} has no private address here")
        return
    server, came, port = listener()
    answer, seconds = one(f"https://{name}:{port}/x")
    tally.check("found a private one" in answer["error"] and seconds < 2, "a name with a private address", str(answer))
    time.sleep(0.1)
    tally.check(not came.is_set(), "nobody connects to it")
    server.close()


def test_many():
    """200 files by 32 connections; every answer is right."""
    before = len(web.log)
    lines, seconds = fetch("--range", "0+1000", *(f"{base}/plain+a?{number}" for number in range(200)))
    tally.check(all(has(line, status=206, length=1000, sum=sum(WHOLE[:1000])) for line in lines[:200]), "200 answers")
    tally.equal(lines[200], {"requests": 400, "received": 200000}, "what was asked for")
    connections = {line[5] for line in web.log[before:]}
    tally.check(len(connections) <= 64 or fetching.means, "at most 32 connections to each server", str(len(connections)))
    tally.check(seconds < 30, "in time", f"{seconds:.1f} s")


def test_fork():
    lines, _ = fetch("--fork", "--range", "0+1000", f"{base}/plain+a", f"{base}/slow+a")
    tally.equal([line.get("length") for line in lines], [1000, 1000, None] * 3, "before, in the child, and after")


def hub(name, revision="main", kind="models", **environment):
    clean = {"HF_TOKEN": "", "HF_TOKEN_PATH": "/nowhere", "HF_ENDPOINT": web.hub + "/", **environment}
    return fetch("--repository", kind, name, revision, environment=clean)[0]


def test_hub():
    """The commit and the files of a repository, page by page; and a sentence for everything else."""
    lines = hub("org/name")
    tally.equal(lines[0], {"commit": COMMIT}, "the commit")
    digest = hashlib.sha256(WHOLE).hexdigest()
    files = [{"size": 2, "digest": "1" * 40, "path": "sub/a b#1.json", "url": f"{web.hub}/org/name/resolve/{COMMIT}/sub/a%20b%231.json"},
             {"size": len(WHOLE), "digest": digest, "path": "model-a", "url": f"{web.hub}/org/name/resolve/{COMMIT}/model-a"}]
    tally.equal(lines[1:3], files, "the files")
    moved = [{**line, "url": line["url"].replace("org/name", "org/moved")} for line in lines[1:]]
    tally.equal(hub("org/moved")[1:], moved, "a repository that was renamed")
    tally.equal(hub("org/name", "refs/pr/1")[0], {"commit": COMMIT}, "a revision with slashes")
    tally.equal(hub("org/name", kind="datasets")[2]["url"], f"{web.hub}/datasets/org/name/resolve/{COMMIT}/model-a", "a data set")
    for name, revision, missing, words in (
            ("org/none", "main", 1, "none of that name: set HF_TOKEN"), ("org/private", "main", 1, "none of that name: set HF_TOKEN"),
            ("org/gated", "main", 0, "found a gated one: accept its terms at"), ("org/name", "v9", 0, "expected a revision of"),
            ("org/busy", "main", 0, "wants to be asked later (429): We had to rate limit you"),
            ("org/odd-json", "main", 0, "expected"), ("org/odd-sha", "main", 0, "expected the hash of a commit"),
            ("org/odd-none", "main", 0, "expected the hash of a commit in the answer of"), ("org/odd-type", "main", 0, "expected the hash of a commit"),
            ("org/odd-path", "main", 0, "expected the path of a file"), ("org/odd-size", "main", 0, "expected the size of a file"),
            ("org/odd-list", "main", 0, "expected a list of files"), ("org/odd-link", "main", 0, "found it at another host")):
        found = hub(name, revision)[0]
        tally.check(found.get("missing") == missing and words in found["error"] and found["error"].startswith("safetensors: hf://it: "),
                    f"{name}@{revision}", str(found))


def test_tokens():
    """Where the token comes from, and that it is sent to the hub."""
    path = os.path.join(tempfile.mkdtemp(dir=root), "token")
    with open(path, "w", encoding="utf-8") as file:
        file.write(" hf_test\n")
    tally.equal(hub("org/gated", HF_TOKEN="hf_test")[0], {"commit": COMMIT}, "HF_TOKEN")
    tally.equal(hub("org/private", HUGGING_FACE_HUB_TOKEN="hf_test")[0], {"commit": COMMIT}, "its old name")
    tally.equal(hub("org/gated", HF_TOKEN_PATH=path)[0], {"commit": COMMIT}, "HF_TOKEN_PATH")
    home = os.path.dirname(path)
    tally.equal(hub("org/gated", HF_TOKEN_PATH="", HF_HOME=home)[0], {"commit": COMMIT}, "HF_HOME")
    cache = tempfile.mkdtemp(dir=root)
    shutil.copytree(home, os.path.join(cache, "huggingface"))
    tally.equal(hub("org/gated", HF_TOKEN_PATH="", HF_HOME="", XDG_CACHE_HOME=cache)[0], {"commit": COMMIT}, "XDG_CACHE_HOME")
    found = hub("org/gated", HF_TOKEN="hf_test", HF_HUB_DISABLE_IMPLICIT_TOKEN="yes")[0]
    tally.check("gated" in found["error"], "HF_HUB_DISABLE_IMPLICIT_TOKEN", str(found))
    found = hub("org/gated", HF_TOKEN="hf\nX-Injected: 1")[0]
    tally.check("expected a token of letters and digits" in found["error"] and "hf\n" not in found["error"], "a token of two lines", str(found))
    found = hub("org/gated", HF_TOKEN="hf_wrong")[0]
    tally.check("wait until its owner agrees" in found["error"] and "hf_wrong" not in found["error"], "a token that is not enough", str(found))


def test_tls():
    if not shutil.which("openssl"):
        print("skipped: https (no openssl to make certificates with)")
        return
    ca, certificate = authority(root)
    secure = Web({"a": WHOLE}, certificate=certificate)
    try:
        url = f"{secure.hub}/x/y/resolve/main/plain+a"
        answer, _ = one(url, "--range", "0+1000")
        tally.check("error" in answer and answer["status"] == 0 and not secure.log, "an authority that nobody knows", str(answer))
        for variable in "CURL_CA_BUNDLE", "SSL_CERT_FILE":
            answer, _ = one(url, "--range", "0+1000", environment={variable: ca})
            tally.check(has(answer, status=206, length=1000), variable, str(answer))
        secure.cdn = web.cdn
        answer, _ = one(url, environment={"CURL_CA_BUNDLE": ca})
        tally.check("found a redirect to http://localhost" in answer["error"], "from https to http", str(answer))
    finally:
        secure.stop()


def test_neither():
    """Where there is neither, a sentence says what to install."""
    lines, _ = fetch(f"{base}/plain+a", environment=without_library(tempfile.mkdtemp(dir=root) + "/neither", None))
    tally.check("install libcurl" in lines[0].get("error", ""), "without libcurl and curl", str(lines))


try:
    fetching.run_all(globals(), web.counts.clear)
finally:
    web.stop()
    shutil.rmtree(root)
tally.finish()
