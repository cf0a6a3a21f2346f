"""The Python packages: what is in the wheel and the source package; that a fresh environment, without a network, has
from the wheel a module that answers and a program that runs.

With EVERY=1 in each Python from 3.9 on that is found (of PYTHONS, pyenv and Debian), by pip, uv and pipx; then also
from sources and with what PyPI has: NumPy, other drivers, a type checker, auditwheel.

Suite: wheel
"""

import csv
import base64
import glob
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import making
import python_package
from tally import BUILD, Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="wheel.")
MODEL = making.file(f"{ROOT}/a model.safetensors", {"lm_head.weight": ("F32", [2, 3], bytes(24))})
PACKAGES = f"{BUILD}/packages"
QUESTION = ("import sys, sqlite_safetensors as s; db = s.connect(); "
            "print(s.__version__, db.execute('SELECT name, shape FROM safetensors_tensors(?)', sys.argv[1:]).fetchall(), "
            "s.query('SELECT numel FROM safetensors_tensors(?)', sys.argv[1:]), s.program_path())")
# Nothing of this process's Python is another's; and nothing is asked of the network, unless a test says so.
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
               "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1", "UV_OFFLINE": "1",
               "PYTHONDONTWRITEBYTECODE": "1"}


def run(*command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **environment})
    return done.returncode, done.stdout, done.stderr


def succeeds(title, *command, **environment):
    """What the command prints; None, and a failure, if it fails."""
    code, out, err = run(*command, **environment)
    tally.check(code == 0, title, " ".join(command), out[-2000:], err[-2000:])
    return out if code == 0 else None


def version():
    with open("ext/safetensors.h", encoding="utf-8") as file:
        return re.search(r'^#define SAFETENSORS_VERSION "(.*)"', file.read(), re.MULTILINE)[1]


def made(target):
    """The package that make makes."""
    out = succeeds(f"make {target}", "make", "--no-print-directory", "-s", target, f"BUILD={BUILD}")
    return out.split()[-1] if out else None


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_wheel(path):
    info = f"sqlite_safetensors-{version()}.dist-info"
    with zipfile.ZipFile(path) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    listed = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    expected = [[name, "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("="), str(len(data))]
                for name, data in files.items() if not name.endswith("/RECORD")]
    tally.equal(sorted(listed), sorted([*expected, [f"{info}/RECORD", "", ""]]), "the wheel's record")
    program = f"sqlite_safetensors-{version()}.data/scripts/safetensors-sql"
    tally.equal(modes.get(program), 0o100755, "the program may be run")
    source = {name for name in os.listdir(".package/python/sqlite_safetensors") if name.endswith((".py", ".typed"))}
    tally.equal({name.partition("/")[2] for name in files if name.startswith("sqlite_safetensors/")},
                {*source, "_version.py", "safetensors.so"}, "the module's files")
    tally.check({f"{info}/licenses/LICENSE", f"{info}/licenses/copyright"} <= set(files), "the licences")
    tags = re.findall(r"^Tag: (.*)$", files[f"{info}/WHEEL"].decode(), re.MULTILINE)
    tally.equal("-".join(os.path.basename(path)[:-len(".whl")].split("-")[2:]), tags[0], "the wheel's name and its tag")
    kept, first = f"{ROOT}/first.whl", digest(path)
    shutil.copy(path, kept)
    tally.equal(digest(made("wheel")), first, "another make gives the same bytes")


def check_source_package(path):
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    stem = f"sqlite_safetensors-{version()}"
    names = {member.name for member in members}
    tally.equal({name.split("/")[0] for name in names}, {stem}, "the source package is one directory")
    tally.check({f"{stem}/{name}" for name in ("PKG-INFO", "pyproject.toml", "LICENSE", "src/safetensors.c", "src/sqlite3.c",
                                               "src/shell.c")} <= names, "the source package's files", sorted(names))
    tally.check(all(member.isfile() and (member.uid, member.uname, member.mode) == (0, "", 0o644) for member in members),
                "the source package's files are nobody's")


def check_names():
    """The wheels of all machines have names by which pip and uv find them; what is in these is not for the machines."""
    directory = f"{ROOT}/names"
    builds = []
    with open(".package/targets", encoding="utf-8") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    for name, _, library, program, *_ in rows:
        os.makedirs(f"{directory}/{name}")
        for path in (f"safetensors{library}", f"safetensors-sql{program.strip('-')}"):
            with open(f"{directory}/{name}/{path}", "w", encoding="utf-8") as file:
                file.write(name)
        builds.append(f"{name}={directory}/{name}")
    out = succeeds("wheels of all machines", ".package/pack", "wheel", f"{directory}/out", *builds)
    stem = f"{directory}/out/sqlite_safetensors-{version()}-py3-none-"
    tally.equal(sorted((out or "").split()), sorted(f"{stem}{tags}.whl" for tags in (
        "manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "manylinux_2_17_armv7l.manylinux2014_armv7l", "manylinux_2_27_riscv64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64",
        "macosx_11_0_arm64", "macosx_11_0_x86_64", "win_amd64", "win_arm64")), "the names of the wheels of all machines")
    with zipfile.ZipFile(f"{stem}win_amd64.whl") as archive:
        names = archive.namelist()
        points = archive.read(f"sqlite_safetensors-{version()}.dist-info/entry_points.txt").decode()
    tally.check("sqlite_safetensors/safetensors.dll" in names, "the library for Windows", names)
    tally.check(any(name.endswith(".data/scripts/safetensors-sql.exe") for name in names), "the program for Windows", names)
    tally.equal(points, "[console_scripts]\nhf-safetensors-sql = sqlite_safetensors.__main__:main\n", "as hf calls it on Windows")


def check_answers(title, python, program):
    """A question in Python, and one to the program."""
    out = succeeds(f"{title}: import and a query", python, "-c", QUESTION, MODEL)
    if out is not None:
        tally.equal(out.rstrip("\n"), f"{version()} [('lm_head.weight', '[2,3]')] [{{'numel': 6}}] {program}", title)
    check_program(title, program)


def check_program(title, program):
    out = succeeds(f"{title}: the program", program, "sql", f"SELECT name FROM safetensors_tensors('{MODEL}')", PATH="")
    tally.check(out is not None and "lm_head.weight" in out, f"{title}: the program answers", out)


def with_pip(python, wheel, *more):
    """An environment with the wheel; None if there can be none."""
    environment = tempfile.mkdtemp(dir=ROOT)
    code, out, err = run(python, "-m", "venv", environment)
    if code != 0:
        print(f"skipped: pip with {python} ({(out + err).strip().splitlines()[0]})")
        return None
    succeeds(f"pip with {python}", f"{environment}/bin/pip", "install", "--quiet", wheel, *more)
    return environment


def check_pip(python, wheel):
    environment = with_pip(python, wheel)
    if environment is not None:
        check_answers(f"pip with {python}", f"{environment}/bin/python", f"{environment}/bin/safetensors-sql")
        check_program(f"pip with {python}, as hf calls it", f"{environment}/bin/hf-safetensors-sql")
        succeeds(f"pip check with {python}", f"{environment}/bin/pip", "check")
        succeeds(f"python -m with {python}", f"{environment}/bin/python", "-m", "sqlite_safetensors", "--version")
    return environment


def check_module(title, python):
    """The module's own tests, of what is installed. What is missing there is skipped."""
    for name in ("connections", "arrays"):
        out = succeeds(f"{title}: {name}", "tests/python", f"tests/interop/python_{name}.py", PYTHON=python, INSTALLED="1",
                       BUILD=BUILD)
        if out:
            print(f"{title}: {name}: {out.splitlines()[-1]}")


# What EVERY=1 adds.

# `hf` as its users run it, in a world in which GitHub has the repository, without a program in it.
HF = """
import subprocess, sys, types
from huggingface_hub.cli import extensions, hf
package = sys.argv.pop(1)

def ask(method, url, **more):
    if url.endswith("/someone/hf-safetensors-sql"):
        return types.SimpleNamespace(text="")
    raise OSError(url)

def install(command, really=subprocess.run, **more):
    return really([package if word.endswith("/someone/hf-safetensors-sql/archive/HEAD.zip") else word for word in command], **more)

extensions._github_request, subprocess.run = ask, install
hf.main()
"""
FRIENDS = ["numpy", "ml_dtypes", "pandas", "polars", "pyarrow", "sqlalchemy", "apsw", "pysqlite3-binary"]
ONLINE = {"PIP_NO_INDEX": "", "PIP_NO_CACHE_DIR": "", "UV_OFFLINE": ""}


def pythons():
    """Each Python from 3.9 on, once."""
    given = os.environ.get("PYTHONS", "").split()
    found = given or [*sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))), "/usr/bin/python3"]
    versions = {}
    for python in found:
        code, out, _ = run(python, "-c", "import sys; print(sys.version_info >= (3, 9), sys.version)")
        if code == 0 and out.startswith("True"):
            versions[os.path.realpath(python)] = python
    return list(versions.values())


def tools():
    """An environment with uv, pipx, auditwheel and mypy; None where PyPI cannot be reached."""
    environment = f"{ROOT}/tools"
    succeeds("an environment for tools", sys.executable, "-m", "venv", environment)
    code, _, err = run(f"{environment}/bin/pip", "install", "--quiet", "uv", "pipx", "auditwheel", "mypy", "numpy",
                       **ONLINE)
    if code != 0:
        print(f"skipped: uv, pipx, auditwheel, mypy ({err.strip().splitlines()[-1]})")
        return None
    return f"{environment}/bin"


def check_uv(uv, python, wheel):
    environment, tool = tempfile.mkdtemp(dir=ROOT), tempfile.mkdtemp(dir=ROOT)
    title = f"uv with {python}"
    succeeds(title, uv, "--quiet", "venv", "--python", python, f"{environment}/venv")
    succeeds(title, uv, "--quiet", "pip", "install", "--no-index", "--python", f"{environment}/venv/bin/python", wheel)
    check_answers(title, f"{environment}/venv/bin/python", f"{environment}/venv/bin/safetensors-sql")
    succeeds(f"{title}: tool", uv, "--quiet", "tool", "install", "--no-index", "--python", python, wheel,
             UV_TOOL_DIR=f"{tool}/tools", UV_TOOL_BIN_DIR=f"{tool}/bin")
    check_program(f"{title}: tool", f"{tool}/bin/safetensors-sql")


def check_pipx(pipx, python, wheel):
    home = tempfile.mkdtemp(dir=ROOT)
    title = f"pipx with {python}"
    succeeds(title, pipx, "install", "--python", python, "--pip-args=--no-index", wheel, PIPX_HOME=f"{home}/home",
             PIPX_BIN_DIR=f"{home}/bin")
    check_program(title, f"{home}/bin/safetensors-sql")


def check_friends(python, wheel):
    """With the packages that the module works with, as PyPI has them."""
    environment = with_pip(python, wheel)
    if environment is None:
        return
    code, _, err = run(f"{environment}/bin/pip", "install", "--quiet", *FRIENDS, **ONLINE)
    if code != 0:
        print(f"skipped: {', '.join(FRIENDS)} with {python} ({err.strip().splitlines()[-1]})")
        return
    check_module(f"with everything in {python}", f"{environment}/bin/python")


def check_hub_extension(python, wheel):
    """Hugging Face's command line installs, from a repository with the release's .package/hf, what `hf safetensors-sql`
    then runs."""
    environment, home, package = (tempfile.mkdtemp(dir=ROOT) for _ in range(3))
    succeeds("an environment for hf", python, "-m", "venv", environment)
    code, _, err = run(f"{environment}/bin/pip", "install", "--quiet", "huggingface_hub==2.4.0", **ONLINE)
    if code != 0:
        print(f"skipped: hf with {python} ({err.strip().splitlines()[-1]})")
        return
    with open(".package/hf/pyproject.toml", encoding="utf-8") as template, open(f"{package}/pyproject.toml", "w", encoding="utf-8") as file:
        file.write(template.read().replace("@VERSION@", version()).replace("@REPOSITORY@", "https://example.org/"))
    at_home = {**ONLINE, "HOME": home, "HF_HOME": home, "HF_HUB_DISABLE_UPDATE_CHECK": "1", "PATH": "/usr/bin:/bin",
               "PIP_FIND_LINKS": os.path.abspath(os.path.dirname(wheel))}
    out = succeeds("hf extensions install", f"{environment}/bin/python", "-c", HF, package, "extensions", "install",
                   "someone/hf-safetensors-sql", **at_home)
    if out is not None:
        out = succeeds("hf safetensors-sql", f"{environment}/bin/hf", "safetensors-sql", "tensors", MODEL, "--json", **at_home)
        tally.check(out is not None and '"name": "lm_head.weight"' in out, "hf safetensors-sql answers", out)
        code, _, err = run(f"{environment}/bin/hf", "safetensors-sql", "chek", **at_home)
        tally.check(code == 2 and 'did you mean "check"' in err, "and ends as the program ends", code, err)


def check_old_sqlite(python, wheel):
    environment = with_pip(python, wheel)
    if environment is None:
        return
    if run(f"{environment}/bin/pip", "install", "--quiet", "--only-binary=:all:", "apsw<3.39", **ONLINE)[0] != 0:
        print(f"skipped: an older SQLite with {python} (PyPI has no APSW for it)")
        return
    _, _, err = run(f"{environment}/bin/python", "-c", "import apsw, sqlite_safetensors as s; s.load(apsw.Connection(':memory:'))")
    tally.check("needs SQLite 3.39.0 or newer, found 3." in err, "an older SQLite", err)


def check_other_sqlite(python, wheel):
    """In a Python without enable_load_extension: SQLite compiled without extensions, which must be refused; and one
    that takes the place of the library that the sqlite3 module was linked with."""
    environment = with_pip(python, wheel)
    fetched = f"{BUILD}/fetched/sqlite/sqlite3.c"
    if environment is None or run(python, "-c", "import sqlite3; sqlite3.Connection.enable_load_extension")[0] == 0:
        print(f"skipped: SQLite without extensions ({python} has enable_load_extension)")
        return
    for flag, variable, expected in (("-DSQLITE_OMIT_LOAD_EXTENSION", "LD_LIBRARY_PATH", "use the program safetensors-sql"),
                                     ("-DNOTHING", "LD_PRELOAD", "[('lm_head.weight', '[2,3]')]")):
        directory = tempfile.mkdtemp(dir=ROOT)
        library = f"{directory}/libsqlite3.so.0"
        succeeds(f"SQLite {flag}", os.environ.get("CC", "cc"), "-O0", "-w", "-fPIC", "-shared", flag, fetched, "-o", library,
                 "-lm", "-lpthread")
        _, out, err = run(f"{environment}/bin/python", "-c", QUESTION, MODEL,
                          **{variable: directory if variable == "LD_LIBRARY_PATH" else library})
        tally.check(expected in out + err, f"SQLite {flag} by {variable}", out, err)


def check_sources(python, package):
    """The source package, and the checkout, compiled by the user's compiler."""
    for what in (package, "./.package/python"):
        environment = with_pip(python, what)
        if environment is not None:
            check_answers(f"compiled from {what}", f"{environment}/bin/python", f"{environment}/bin/safetensors-sql")
    tally.equal(sorted(os.listdir(".package/python")), ["METADATA", "README.md", "backend.py", "pyproject.toml",
                                                        "sqlite_safetensors"], "nothing is built among the sources")


def check_release(python, auditwheel):
    """The wheel for Linux of ten years, where a release has been built: it is what its name says, and works here."""
    for wheel in glob.glob(f"{BUILD}/release/artefacts/*manylinux_2_17_{os.uname().machine}*.whl"):
        out = succeeds(f"auditwheel show {wheel}", auditwheel, "show", wheel)
        if out is not None:
            found = re.findall(r'platform tag: "(\w+)"', " ".join(out.split()))
            tally.equal(found[:1], [f"manylinux_2_17_{os.uname().machine}"], f"auditwheel show {wheel}")
        environment = with_pip(python, wheel)
        if environment is not None:
            check_answers("the release's wheel", f"{environment}/bin/python", f"{environment}/bin/safetensors-sql")
            check_module("the release's wheel", f"{environment}/bin/python")
        break
    else:
        print("skipped: the release's wheel (make release)")


def check_every(wheel, package):
    found, bin_ = pythons(), tools()
    print("Pythons:", *found)
    for python in found:
        environment = check_pip(python, wheel)
        if environment is not None:
            check_module(f"pip with {python}", f"{environment}/bin/python")
        if bin_ is not None:
            check_uv(f"{bin_}/uv", python, wheel)
            check_pipx(f"{bin_}/pipx", python, wheel)
        check_old_sqlite(python, wheel)
    check_other_sqlite(found[0], wheel)
    check_sources(found[0], package)
    check_hub_extension(found[-1], wheel)
    for python in found[-2:]:
        check_friends(python, wheel)
    if bin_ is not None:
        python_package.assemble(f"{ROOT}/typed")
        for system in ("linux", "darwin", "win32"):
            succeeds(f"mypy for {system}", f"{bin_}/mypy", "--strict", f"--platform={system}", f"--cache-dir={ROOT}/mypy",
                     f"{ROOT}/typed/sqlite_safetensors")
        check_release(found[0], f"{bin_}/auditwheel")


def main():
    code, _, reason = run(".package/fetch", "sqlite", "jansson", "xxhash", BUILD=BUILD)
    if code == 3:
        print(f"skipped: wheels ({reason.strip()})")
        return
    wheel, source_package = made("wheel"), made("sdist")
    if not wheel or not source_package:
        return
    check_wheel(wheel)
    check_source_package(source_package)
    check_names()
    if os.environ.get("EVERY"):
        check_every(wheel, source_package)
    else:
        check_pip(sys.executable, wheel)


main()
shutil.rmtree(ROOT)
tally.finish()
