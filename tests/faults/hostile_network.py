#!/usr/bin/env python3
"""Who may be asked, and what may be told: in a network of its own, where servers have public, private and link-local addresses,
no public server sends us to another one that is not public, by any name or spelling; the token is seen by the hub alone, and is
in no message, file or command line; and nothing is asked while the network is off, whoever hands an address to whatever table.

Skipped where the system gives no network of one's own (unshare -rn), or has no strace.

Covers little: of all lines, others reach nearly as many.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from tally import Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position
from web_server import Handler, Server, Web, authority  # noqa: E402  pylint: disable=wrong-import-position

PUBLIC, PRIVATE, LINK = "8.8.8.8", "10.1.1.1", "169.254.169.254"
TOKEN = "hf_SECRETSECRETSECRET"
tally = Tally()


def inside(root):
    """In the network of one's own."""
    import threading  # pylint: disable=import-outside-toplevel
    for address in PUBLIC, PRIVATE, LINK, "100.64.0.1", "192.168.1.1", "172.16.0.1":
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    came = []

    class Redirector(Handler):
        """Sends us to what its path has behind the first slash, and notes who came to which address."""

        def do_GET(self):  # pylint: disable=invalid-name
            came.append((self.server.server_address[0], self.headers.get("Authorization")))
            target = self.path[1:].replace("%2F", "/")
            self.reply(302 if "://" in target or target.startswith("//") else 404, {"Location": target})

    ca, certificate = authority(root, (PUBLIC, PRIVATE, LINK, "127.0.0.1"))
    import ssl  # pylint: disable=import-outside-toplevel
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for address in PUBLIC, PRIVATE, LINK, "127.0.0.1":
        server = Server((address, 443), Redirector)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(CURL_CA_BUNDLE=ca, SAFETENSORS_HEADER_CACHE="off", SAFETENSORS_NETWORK="on", HOME=root, HF_TOKEN=TOKEN)

    def problem(address):
        came.clear()
        return database_error(connect(), "SELECT * FROM safetensors_tensors(?)", address)

    own = problem(f"https://{PUBLIC}/x.safetensors")
    tally.check([to for to, _ in came] == [PUBLIC], "a public address is asked", own, str(came))
    for target in (f"https://{PRIVATE}/", f"https://{LINK}/latest", "https://127.0.0.1/", "https://localhost/", "https://localhost./", "https://a.localhost/", "https://192.168.1.1/",
                   "https://100.64.0.1/", "https://172.16.0.1/", "https://0.0.0.0/", "https://0/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://017700000001/",
                   "https://0x7f.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1%25lo]/",
                   "https://[::]/", "https://127.0.0.1./", "https://%31%32%37.0.0.1/", f"https://{PUBLIC}@127.0.0.1/", f"https://127.0.0.1%23@{PUBLIC}/", "https://127.0.0.1\\\\@x/", "//127.0.0.1/",
                   f"http://{PUBLIC}/", "http://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/"):
        message = problem(f"https://{PUBLIC}/{target}")
        others = [to for to, _ in came if to != PUBLIC]
        tally.check(message.startswith("safetensors: https://") and not others, f"a redirect to {target}", message, str(came))
    for address in PRIVATE, "127.0.0.1":
        message = problem(f"https://{address}/https:%2F%2F{PRIVATE}/x")
        tally.check(PRIVATE in [to for to, _ in came], f"an own address {address} may lead to private ones", message, str(came))
    # A hub that the environment names may be anywhere, but sends us only where it is itself.
    for hub, target, allowed in (PUBLIC, PRIVATE, False), (PUBLIC, "127.0.0.1", False), (PRIVATE, PRIVATE, True):
        os.environ["HF_ENDPOINT"] = f"https://{hub}/https:%2F%2F{target}/?"
        problem("hf://org/name@" + "0" * 40 + "/x.safetensors")
        tally.check(came and ((target in [to for to, _ in came]) or not allowed) and (hub == target or target not in [to for to, _ in came]), f"a hub at {hub} sends us to {target}", str(came))
        tally.check(all(secret is None or to == hub for to, secret in came) and any(secret for _, secret in came), "the hub alone sees the token", str(came))
    del os.environ["HF_ENDPOINT"]


def test_addresses(root):
    if subprocess.run(["unshare", "-rn", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0 or not shutil.which("ip") or not shutil.which("openssl"):
        print("skipped: who may be asked (no network of one's own: unshare -rn, ip, openssl)")
        return
    done = subprocess.run(["unshare", "-rn", sys.executable, __file__, "--inside", root], check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout.rsplit("\n", 2)[0])
    counts = done.stdout.split()[-4:] if done.returncode in (0, 1) else []
    tally.check(len(counts) == 4 and counts[2] == "0", "who may be asked", str(done.returncode))
    tally.passed += int(counts[0]) if counts else 0


def test_secrets(root):
    """The token in each way of a hub that redirects to a CDN: nobody else sees it, and it is written nowhere."""
    web = Web({"a.safetensors": b"\x02\0\0\0\0\0\0\0{}", "b": b"\xff" * 50})
    os.environ.update(HF_ENDPOINT=web.hub, HF_TOKEN=TOKEN, XDG_CACHE_HOME=os.path.join(root, "xdg"), SAFETENSORS_NETWORK="on", HOME=root, HF_HUB_CACHE=os.path.join(root, "hub"))
    said = []
    for name in "plain+a.safetensors", "expired+a.safetensors", "missing+x", "gated+a.safetensors", "words+a.safetensors", "relative+a.safetensors", "wrongrange+b", "plain+b", "inside+a", "longheader+a":
        for sql in "SELECT * FROM safetensors_files(?)", "SELECT * FROM safetensors_tensors(?)", "SELECT tensor_hash(? || '#x')":
            db = connect()
            try:
                said.append(str(db.execute(sql, (f"hf://org/name@{'0123456789abcdef' * 2}01234567/{name}",)).fetchall()))
            except sqlite3.Error as problem:
                said.append(str(problem))
    for sql in "SELECT * FROM safetensors_tensors('hf://org/name')", "SELECT * FROM safetensors_tensors('hf://org/gated')", "SELECT * FROM safetensors_tensors('hf://org/busy')":
        said.append(database_error(connect(), sql))
    web.stop()
    tally.check(not any(TOKEN in text for text in said), "no message has the token", str([text for text in said if TOKEN in text]))
    tally.check(all(line[4] is None for line in web.log if line[0] == "Cdn") and any(line[0] == "Cdn" for line in web.log), "the CDN does not see the token")
    tally.check({line[4] for line in web.log if line[0] == "Hub"} == {f"Bearer {TOKEN}"}, "the hub does")
    found = subprocess.run(["grep", "-rl", TOKEN, root], check=False, stdout=subprocess.PIPE, text=True).stdout
    tally.equal(found, "", "no file has the token")
    for name in "HF_ENDPOINT", "HF_TOKEN", "SAFETENSORS_NETWORK":
        del os.environ[name]


TABLES = ("safetensors_tensors", "safetensors_files", "safetensors_metadata", "safetensors_weights", "safetensors_adapter", "safetensors_check", "safetensors_models", "safetensors_verify", "safetensors_salvage")
VALUES = ("tensor_hash", "tensor_data", "tensor_json", "tensor_shape", "tensor_sha256")
ADDRESSES = ("hf://org/name", "https://example.invalid/x.safetensors", "http://127.0.0.1:9/x.safetensors", "s3://bucket/run/*/x.safetensors", "https://huggingface.co/org/name")


def ask_everything():
    """Hands addresses to all tables and functions, from statements and from what a stranger's database has in it."""
    for mode in "off", "never":
        db = connect()
        db.execute("SELECT safetensors_config('network', ?)", (mode,)).fetchall()
        for address in ADDRESSES:
            for table in TABLES:
                database_error(db, f"SELECT * FROM {table}(?)", address)
            for function in VALUES:
                database_error(db, f"SELECT {function}(?)", address + "#x")
            database_error(db, "SELECT safetensors_digest(?, 'sha256')", address)
            database_error(db, "SELECT * FROM safetensors_diff(?, ?)", address, address)
            database_error(db, "CREATE VIRTUAL TABLE temp.v USING safetensors(\"" + address + "\")")
            database_error(db, "INSERT INTO safetensors_write(path, name, data) VALUES ('/nowhere/x.safetensors', 'x', ?)", address + "#x")
            for table in TABLES[:2]:
                problem = database_error(db, f"CREATE VIEW IF NOT EXISTS v_{table} AS SELECT * FROM {table}('{address}')") + database_error(db, f"SELECT * FROM v_{table}")
                print("view", problem)
            database_error(db, "CREATE TABLE IF NOT EXISTS t(a DEFAULT (tensor_hash('" + address + "#x')), b AS (tensor_hash(a)))")
            database_error(db, "INSERT INTO t DEFAULT VALUES")


def test_off():
    if not shutil.which("strace"):
        print("skipped: no socket while the network is off (no strace)")
        return
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=network", "-o", "/dev/stderr", sys.executable, __file__, "--everything"], check=False, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if "ptrace" in done.stderr and done.returncode != 0:
        print("skipped: no socket while the network is off (strace may not trace)")
        return
    tally.equal((done.returncode, [line for line in done.stderr.splitlines() if "(" in line and "SIG" not in line]), (0, []), "no call of the network while it is off")


if sys.argv[1:2] == ["--everything"]:
    ask_everything()
    sys.exit(0)
if sys.argv[1:2] == ["--inside"]:
    inside(sys.argv[2])
    tally.finish()
directory = tempfile.mkdtemp()
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_", "CURL_", "SSL_"))]:
    del os.environ[variable]
os.environ["SAFETENSORS_NETWORK"] = "on"
lacking = "install libcurl" in database_error(connect(), "SELECT * FROM safetensors_tensors('http://127.0.0.1:9/x')")
del os.environ["SAFETENSORS_NETWORK"]
try:
    test_off()
    if lacking:
        print("skipped: the network (neither libcurl nor curl)")
    else:
        test_addresses(tempfile.mkdtemp(dir=directory))
        test_secrets(tempfile.mkdtemp(dir=directory))
finally:
    shutil.rmtree(directory)
tally.finish()
