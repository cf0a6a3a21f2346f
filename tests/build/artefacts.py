"""The files of a release, as `make release` has left them: that they are all there, for the machines that they name, with
all licences in them, and that other programs accept them (dpkg, lintian, npm's manifests as JSON, Ruby, groff, a checker
of SPDX). `make check-release` runs this.

Suite: release
"""

import glob
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile

import binary
import script_header
from documents import read
from tally import BUILD, Tally

tally = Tally()
ARTEFACTS = os.path.abspath(f"{BUILD}/release/artefacts")
VERSION = re.search(r'SAFETENSORS_VERSION "(.*)"', read("ext/safetensors.h")).group(1)
# The kind of file and the machine that the names of packages mean by their last words.
SYSTEMS = {"linux": "ELF", "musl": "ELF", "freebsd": "ELF", "manylinux": "ELF", "musllinux": "ELF", "deb": "ELF",
           "darwin": "Mach-O", "macos": "Mach-O", "macosx": "Mach-O", "win32": "PE", "windows": "PE", "win": "PE"}
PROCESSORS = {"x86_64": "x86_64", "x64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64",
              "arm": "arm", "armhf": "arm", "armv7l": "arm", "riscv64": "riscv64"}


def targets():
    """The rows of .package/targets, each a dictionary by the names of the columns."""
    lines = read(".package/targets").splitlines()
    names = next(line for line in lines if line.startswith("# name ")).strip("# ").split()
    return [dict(zip(names, line.split())) for line in lines if not line.startswith("#")]


def members(path):
    """The files of an archive or of a Debian package, by their names."""
    if path.endswith((".zip", ".whl")):
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".deb"):
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def named(files, name):
    """The one file of that name, wherever in the archive."""
    found = [content for path, content in files.items() if path.rsplit("/", 1)[-1] == name]
    return found[0] if len(found) == 1 else None


def wheel(platform):
    """The wheel that is for this platform, and maybe for it by another name."""
    names = [os.path.basename(path) for path in glob.glob(f"{ARTEFACTS}/*.whl")]
    return next((name for name in names if platform in name[:-4].split("-")[-1].split(".")), f"a wheel for {platform}")


def means(name):
    """The kind of files and the machine that the name of a package stands for."""
    words = re.split(r"[-_.]", name.replace("x86_64", "x64"))
    kinds = {SYSTEMS[word] for word in words if word in SYSTEMS}
    machines = {PROCESSORS[word] for word in words if word in PROCESSORS}
    return (*kinds, *machines)


def check_packages():
    """Each target has an archive, and where its row says so a wheel, a package for npm and one for Debian."""
    there = os.listdir(ARTEFACTS)
    for target in targets():
        wanted = [f"sqlite-safetensors-{VERSION}-{target['name']}.{'zip' if target['npm_os'] == 'win32' else 'tar.gz'}"]
        libc = {"glibc": "-gnu", "musl": "-musl", "-": ""}[target["npm_libc"]]
        wanted.append(f"sqlite-safetensors-{target['npm_os']}-{target['npm_cpu']}{libc}-{VERSION}.tgz")
        if target["deb"] != "-":
            wanted.append(f"sqlite-safetensors_{VERSION}_{target['deb']}.deb")
        if target["wheel"] != "-":
            wanted.append(wheel(target["wheel"]))
        for name in wanted:
            tally.check(name in there, f"{name} is there")


def check_machines():
    """The library and the program in a package are for the machine that its name says, and called as they are there."""
    for path in sorted(glob.glob(f"{ARTEFACTS}/*")):
        meant = means(os.path.basename(path))
        if len(meant) != 2:
            continue
        files = {name.rsplit("/", 1)[-1]: content for name, content in members(path).items()}
        suffix, ending = {"ELF": (".so", ""), "Mach-O": (".dylib", ""), "PE": (".dll", ".exe")}[meant[0]]
        for name in (f"safetensors{suffix}", f"safetensors-sql{ending}"):
            if name not in files:
                tally.check("freebsd" in path and "sql" in name, f"{os.path.basename(path)} has {name}")
                continue
            with tempfile.NamedTemporaryFile() as file:
                file.write(files[name])
                file.flush()
                found = binary.read(file.name)
            tally.equal((found.kind, found.machine), meant, f"{name} in {os.path.basename(path)}")


def check_npm():
    """The packages say of themselves what their names say, and the main one names them all."""
    found = {}
    for path in glob.glob(f"{ARTEFACTS}/*.tgz"):
        found[os.path.basename(path)] = json.loads(named(members(path), "package.json"))
    main = found.pop(f"sqlite-safetensors-{VERSION}.tgz")
    tally.equal(sorted(main["optionalDependencies"].items()),
                sorted((package["name"], package["version"]) for package in found.values()),
                "the packages that the main one of npm names, and those that there are")
    for name, package in found.items():
        own = [*package["os"], *package["cpu"], *({"glibc": "gnu"}.get(libc, libc) for libc in package.get("libc", []))]
        tally.equal(f"sqlite-safetensors-{'-'.join(own)}-{VERSION}.tgz", name, "what a package of npm is for")


def check_licences():
    """Our licence, and those of what is linked in, are in every artefact that has code in it."""
    ours, all_licences = read("LICENSE").encode(), read(".package/copyright").encode()
    for path in sorted(glob.glob(f"{ARTEFACTS}/*")):
        name = os.path.basename(path)
        if name.endswith((".whl", ".tgz", ".crate", ".deb", ".tar.gz", ".zip")):
            found = list(members(path).values())
            tally.check(all_licences in found, f"{name} has the licences of what is linked in")
            # Debian has the text of ours in common-licenses.
            tally.check(ours in found or name.endswith(".deb"), f"{name} has our licence")
    # Windows' own threads are used, so winpthreads is not linked.
    for component in ("jansson", "xxhash.h", "sqlite3.c", "compiler-rt", "musl", "glibc-startup", "mingw-w64", "freebsd-startup"):
        tally.check(re.search(rb"^Files: .*\b" + re.escape(component).encode(), all_licences, re.MULTILINE),
                    f"the licence of {component}")


def check_sums():
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=ARTEFACTS,
                          capture_output=True, text=True, check=False)
    listed = {line.split("  ")[1] for line in read(f"{ARTEFACTS}/SHA256SUMS").splitlines()}
    there = {os.path.relpath(os.path.join(folder, name), ARTEFACTS)
             for folder, _, names in os.walk(ARTEFACTS) for name in names} - {"SHA256SUMS"}
    tally.equal((done.returncode, listed), (0, there), f"SHA256SUMS {done.stdout}{done.stderr}")


def check_debian():
    for path in glob.glob(f"{ARTEFACTS}/*.deb"):
        fields = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True).stdout
        depends = re.search(r"^Depends: libc6 \(>= 2\.(\d+)\)$", fields, re.MULTILINE)
        limit = 27 if "riscv64" in path else 17
        tally.check(depends and int(depends.group(1)) <= limit, f"{os.path.basename(path)} needs no newer glibc", fields)
        tally.check(f"Architecture: {path.rsplit('_', 1)[1][:-4]}\n" in fields, "the architecture", fields)
        if not shutil.which("lintian"):
            print("skipped: lintian (not installed)")
            continue
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", path], capture_output=True,
                              text=True, check=False)
        tally.equal((done.returncode, done.stdout), (0, ""), f"lintian of {os.path.basename(path)}")


def check_manual():
    """The manual page is without warnings, and has each verb."""
    path = glob.glob(f"{ARTEFACTS}/*-linux-x86_64.tar.gz")[0]
    page = named(members(path), "safetensors-sql.1")
    if not shutil.which("groff"):
        print("skipped: the manual page (groff is not installed)")
        return
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-c"], input=page, capture_output=True, check=False)
    text = re.sub(r".\x08", "", done.stdout.decode()).replace("‐", "-").replace("−", "-")
    tally.equal(done.stderr.decode(), "", "the manual page's warnings")
    for verb in script_header.verbs():
        tally.check(re.search(rf"^ +{script_header.typed(verb)}\b", text, re.MULTILINE), f"the manual page has {verb}")


def check_same_bytes():
    """Made again, all files are the same."""
    with tempfile.TemporaryDirectory() as again:
        subprocess.run([".package/release", BUILD, again], check=False, stdout=subprocess.DEVNULL)
        done = subprocess.run(["diff", "-r", ARTEFACTS, again], capture_output=True, text=True, check=False)
        tally.equal(done.stdout, "", "the files of a second run")


def check_materials():
    """The bill of materials is SPDX, as its own checker finds, and has all that is pinned."""
    path = f"{ARTEFACTS}/sqlite-safetensors-{VERSION}.spdx.json"
    document = json.loads(read(path))
    found = {(package["name"], package["versionInfo"], *(sum["checksumValue"] for sum in package.get("checksums", [])))
             for package in document["packages"]}
    for line in read(".package/versions").splitlines():
        if line and not line.startswith("#"):
            name, version, *_, digest = line.split()
            tally.check((name, version, digest) in found, f"{name} {version} is in the bill of materials")
    checker = os.path.abspath(f"{BUILD}/spdx/bin/pyspdxtools")
    if not os.path.exists(checker):
        print("skipped: the checker of SPDX (spdx-tools is not installed)")
        return
    done = subprocess.run([checker, "-i", path], capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stdout + done.stderr), (0, ""), "what the checker of SPDX says")


def main():
    if not os.path.isdir(ARTEFACTS):
        print("skipped: the files of a release (there are none: make release)")
        tally.finish()
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
    tally.finish()


if __name__ == "__main__":
    main()
