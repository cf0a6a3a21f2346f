#!/usr/bin/env python3
"""Checkpoints at servers that others have written, all on loopback: nginx with TLS and HTTP/2, whose authority is the tests' own;
squid as a proxy with a password; s3rver as an object store (its signatures are verified by tests/lib/store_server.py). What is
not installed is skipped.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from tally import BUILD, Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position
from web_server import authority  # noqa: E402  pylint: disable=wrong-import-position

tally = Tally()
root = tempfile.mkdtemp()
os.chmod(root, 0o755)  # servers that are started by root become others
started = []
CLEAN = [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_", "SSL_", "CURL_"))]
for variable in CLEAN:
    del os.environ[variable]
os.environ.update(HOME=root, XDG_CACHE_HOME=os.path.join(root, "cache"))


def model(names, rows=40):
    header, at = {}, 0
    for name in names:
        header[name] = {"dtype": "F32", "shape": [rows, 100], "data_offsets": [at, at + 400 * rows]}
        at += 400 * rows
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(struct.pack("<100f", *(i + 0.5 for i in range(100))) for _ in range(rows * len(names)))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port, *words, **options):
    """Starts a server, and waits until it accepts connections. False if it does not."""
    with open(os.path.join(root, f"output-{port}"), "wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True, **options)
    started.append(process)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        if process.poll() is not None:
            break
        time.sleep(0.05)
    with open(os.path.join(root, f"output-{port}"), encoding="utf-8", errors="replace") as output:
        tally.check(False, f"{words[0]} starts", output.read()[-2000:])
    return False


def write(name, text, mode="w"):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
        file.write(text)
    return path


class Environment:
    """Variables for a while."""

    def __init__(self, **variables):
        self.variables = variables

    def __enter__(self):
        os.environ.update(self.variables)

    def __exit__(self, *problem):
        for name in self.variables:
            del os.environ[name]


def rows(sql, *arguments, cache="off"):
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on'), safetensors_config('header_cache', ?)", (cache,)).fetchall()
    return db.execute(sql, arguments).fetchall()


def refusal(address):
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on'), safetensors_config('header_cache', 'off')").fetchall()
    return database_error(db, "SELECT count(*) FROM safetensors_tensors(?)", address)


def compare(address, local):
    """Everything is as in the local file."""
    for sql in "SELECT name, dtype, shape, offset FROM safetensors_tensors(?)", "SELECT size, tensors FROM safetensors_files(?)":
        tally.equal(rows(sql, address), rows(sql, local), f"{sql}: {address}")
    hashes = "SELECT name, tensor_hash(ref) FROM safetensors_tensors(?)"
    tally.equal(rows(hashes, address), rows(hashes, local), f"bytes: {address}")


LOCAL = write("web/model.safetensors", model([f"layer.{i}.weight" for i in range(3000)], rows=1), "wb")
SMALL = write("web/a b/\u00e9+%25.safetensors", model(["x"]), "wb")


# ---- nginx: TLS, HTTP/2 ----

def start_nginx(certificate):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        print("skipped: nginx, which is not installed")
        return None
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    places = " ".join(f"{kind}_temp_path {root}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = write("nginx.conf", f"""{user} worker_processes 1; daemon off; pid {root}/nginx.pid; error_log {root}/nginx-error.log;
        events {{ }}
        http {{ log_format plain '$server_protocol $status $request_method $uri $http_range $connection'; access_log {root}/nginx.log plain; {places}
            server {{ listen 127.0.0.1:{port} ssl http2; server_name localhost; ssl_certificate {certificate}; ssl_certificate_key {certificate};
                root {root}/web; location /forbidden/ {{ return 403; }} location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }} }} }}""")
    return port if start(port, program, "-e", f"{root}/nginx-error.log", "-c", configuration) else None


def log_lines(name="nginx.log"):
    """What a server has logged since the last call."""
    time.sleep(0.2)
    path = os.path.join(root, name)
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    found, log_lines.seen[name] = lines[log_lines.seen.get(name, 0):], len(lines)
    return found


log_lines.seen = {}


def test_tls(port, trusted):
    base = f"https://localhost:{port}"
    for variable in "SSL_CERT_FILE", "CURL_CA_BUNDLE":
        with Environment(**{variable: trusted}):
            compare(f"{base}/model.safetensors", LOCAL)
            compare(f"{base}/a%20b/%C3%A9+%2525.safetensors", SMALL)
            compare(f"{base}/moved/model.safetensors", LOCAL)
    lines = log_lines()
    tally.check(all(line.startswith("HTTP/2.0 ") for line in lines) and len(lines) > 10, "HTTP/2 is spoken", str(lines[:3]))
    tally.check({line.split()[1] for line in lines} <= {"206", "302"}, "parts of files alone are asked for", str(lines[:3]))
    with Environment(SSL_CERT_FILE=trusted):
        tally.check("found status 404" in refusal(f"{base}/none.safetensors"), "a file that is not there", refusal(f"{base}/none.safetensors"))
        tally.check("found status 403" in refusal(f"{base}/forbidden/x.safetensors"), "a forbidden one", refusal(f"{base}/forbidden/x.safetensors"))
        first = rows("SELECT name, shape FROM safetensors_tensors(?)", f"{base}/model.safetensors", cache="on")
        log_lines()
        tally.equal(rows("SELECT name, shape FROM safetensors_tensors(?)", f"{base}/model.safetensors", cache="on"), first, "from the header cache")
        tally.equal([line.split()[1] for line in log_lines()], ["304"], "nginx says that nothing has changed")


def test_distrust(port):
    """A server whose authority nobody knows, or another one; a name that is not the certificate's; no TLS."""
    other = os.path.join(root, "other")
    os.makedirs(other)
    wrong, _ = authority(other)
    for variables in {}, {"SSL_CERT_FILE": wrong}, {"CURL_CA_BUNDLE": wrong}, {"CURL_CA_BUNDLE": os.path.join(root, "none.pem")}:
        with Environment(**variables):
            problem = refusal(f"https://localhost:{port}/model.safetensors")
            tally.check("expected an answer of localhost, found" in problem and "certificate" in problem.lower(), f"{variables}", problem)
    tally.equal(log_lines(), [], "it was asked for nothing")
    for address in f"http://localhost.example:{port}/x.safetensors", "http://192.0.2.1/x.safetensors", "http://[2001:db8::1]/x.safetensors":
        tally.check("expected https://, found http://" in refusal(address), address, refusal(address))


# ---- squid: a proxy with a password ----

def start_squid():
    program, helper = shutil.which("squid", path=os.environ["PATH"] + ":/usr/sbin"), "/usr/lib/squid/basic_ncsa_auth"
    if not program or not os.path.exists(helper):
        print("skipped: squid, which is not installed")
        return None
    port = free_port()
    password = subprocess.run(["openssl", "passwd", "-apr1", "p@ss:word"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    users = write("squid/users", f"somebody:{password}\n")
    configuration = write("squid.conf", f"""http_port 127.0.0.1:{port}
auth_param basic program {helper} {users}
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log stdio:{root}/squid/access.log
cache_log {root}/squid/cache.log
pid_filename none
coredump_dir {root}/squid
shutdown_lifetime 0 seconds
netdb_filename none
""")
    if os.geteuid() == 0:
        for path in os.path.join(root, "squid"), users:
            os.chown(path, pwd.getpwnam("proxy").pw_uid, -1)
    return port if start(port, program, "-N", "-f", configuration) else None


def test_proxy(port, proxy, trusted):
    address = f"https://localhost:{port}/model.safetensors"
    with Environment(SSL_CERT_FILE=trusted, https_proxy=f"http://somebody:p%40ss%3Aword@127.0.0.1:{proxy}"):
        compare(address, LOCAL)
        lines = log_lines("squid/access.log")
        lines = [line for line in lines if "error:transaction-end-before-headers" not in line]  # of start()
        tally.check(lines and all(f" CONNECT localhost:{port} somebody " in line for line in lines), "the proxy was asked, with name and password", str(lines[:2]))
        with Environment(no_proxy="example.org,localhost"):
            compare(address, LOCAL)
        tally.equal(log_lines("squid/access.log"), [], "not for hosts of no_proxy")
    for user in "somebody:wrong@", "":
        with Environment(SSL_CERT_FILE=trusted, HTTPS_PROXY=f"http://{user}127.0.0.1:{proxy}"):
            problem = refusal(address)
            tally.check("407" in problem and "wrong" not in problem, f"the proxy refuses '{user}'", problem)


# ---- s3rver: an object store ----

STORE = """const S3rver = require('s3rver');
new S3rver({ port: Number(process.argv[2]), address: '127.0.0.1', silent: true, directory: process.argv[3],
             configureBuckets: [{ name: 'models', configs: [] }] }).run();"""


def start_store():
    modules = os.path.join(os.path.abspath(BUILD), "npm", "node_modules")
    if not shutil.which("node") or not os.path.isdir(os.path.join(modules, "s3rver")):
        print("skipped: s3rver, which is not installed (npm install s3rver)")
        return None
    port = free_port()
    os.makedirs(os.path.join(root, "store"))
    program = write("store.js", STORE)
    return port if start(port, "node", "--openssl-legacy-provider", program, str(port), os.path.join(root, "store"), env={**os.environ, "NODE_PATH": modules}) else None


def upload(base, files):
    """Objects by key: paths of this machine. The store lets everybody write who signs nothing."""
    import urllib.parse  # pylint: disable=import-outside-toplevel
    lines = []
    for key, path in files.items():
        lines += ["next"] if lines else []
        lines += [f'upload-file = "{path}"', f'url = "{base}/models/{urllib.parse.quote(key)}"', "fail", 'output = "/dev/null"']
    subprocess.run(["curl", "-q", "--silent", "--parallel", "--parallel-max", "8", "--config", "-"], input="\n".join(lines), text=True, check=True, stderr=subprocess.DEVNULL)


def test_store(port):
    base = f"http://127.0.0.1:{port}"
    odd = "run/a b/\u00e9\u4e2d &='.safetensors"
    try:
        upload(base, {"run/1/model.safetensors": LOCAL, "run/2/model.safetensors": SMALL, odd: SMALL, "run/notes.txt": SMALL})
        upload(base, {f"many/{number:04}.safetensors": SMALL for number in range(1100)})
    except subprocess.CalledProcessError as problem:
        print(f"skipped: an object store, to which curl uploads nothing ({problem.returncode})")
        return
    keys = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
    profile = {"AWS_SHARED_CREDENTIALS_FILE": write("aws/credentials", "[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n"),
               "AWS_CONFIG_FILE": write("aws/config", f"[default]\nregion = us-east-1\nendpoint_url = {base}\n")}
    with Environment(AWS_ENDPOINT_URL=base, **keys):
        compare("s3://models/run/1/model.safetensors", LOCAL)
        compare(f"s3://models/{odd}", SMALL)
        tally.equal(rows("SELECT DISTINCT file FROM safetensors_tensors('s3://models/run/*/*.safetensors')"),
                    [("s3://models/run/1/model.safetensors",), ("s3://models/run/2/model.safetensors",), (f"s3://models/{odd}",)], "a pattern")
        tally.equal(rows("SELECT count(*) FROM safetensors_files('s3://models/many')"), [(1100,)], "a list of two pages")
        tally.equal(rows("SELECT count(*) FROM safetensors_files('s3://models/run/1')"), [(1,)], "a folder")
        tally.check("found none at this address" in refusal("s3://models/none.safetensors"), "no such object", refusal("s3://models/none.safetensors"))
        tally.check("bucket" in refusal("s3://nobucket/none.safetensors"), "no such bucket", refusal("s3://nobucket/none.safetensors"))
        first = rows("SELECT name FROM safetensors_tensors('s3://models/run/1/model.safetensors')", cache="on")
        tally.equal(rows("SELECT name FROM safetensors_tensors('s3://models/run/1/model.safetensors')", cache="on"), first, "by the header cache")
    with Environment(**profile):
        compare("s3://models/run/2/model.safetensors", SMALL)
    with Environment(AWS_ENDPOINT_URL=base):
        compare("s3://models/run/2/model.safetensors", SMALL)
    with Environment(AWS_ENDPOINT_URL=base, AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="wrong"):
        problem = refusal("s3://models/run/1/model.safetensors")
        tally.check("does not exist in our records" in problem and "wrong" not in problem, "a key that nobody has", problem)


def stop():
    for process in started:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


try:
    trusted_authority, server_certificate = authority(root)
    web_port = start_nginx(server_certificate)
    if web_port:
        test_tls(web_port, trusted_authority)
        test_distrust(web_port)
        proxy_port = start_squid()
        if proxy_port:
            test_proxy(web_port, proxy_port, trusted_authority)
    store_port = start_store()
    if store_port:
        test_store(store_port)
finally:
    stop()
    shutil.rmtree(root)
tally.finish()
