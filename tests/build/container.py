"""The container of a release, without a container's engine: a root directory is made as the Containerfile says, with
nothing else in it, and its program runs there. `make check-release` runs this, as root.

Suite: release
"""

import glob
import json
import os
import platform
import shlex
import shutil
import subprocess
import tarfile
import tempfile

import making
from tally import BUILD, Tally

tally = Tally()
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def instructions(text):
    """The lines of a Containerfile as (instruction, rest)."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


class Image:
    """What the instructions make: a root directory, the environment, and the command."""

    def __init__(self, context, root, **arguments):
        self.context, self.root, self.arguments = context, root, arguments
        self.environment, self.directory, self.entry, self.command = {}, "/", [], []
        with open(os.path.join(context, "Containerfile"), encoding="utf-8") as file:
            for word, rest in instructions(file.read()):
                getattr(self, word.lower())(rest)

    def substitute(self, text):
        for name, value in self.arguments.items():
            text = text.replace(f"${name}", value)
        return text

    def from_(self, rest):
        tally.equal(rest, "scratch", "what the image begins with")

    locals()["from"] = from_

    def arg(self, rest):
        name, _, default = rest.partition("=")
        self.arguments.setdefault(name, default)

    def copy(self, rest):
        *sources, to = shlex.split(self.substitute(rest))
        for source in sources:
            target = os.path.join(self.root, to.lstrip("/"), "" if not to.endswith("/") else os.path.basename(source))
            shutil.copy(os.path.join(self.context, source), target)

    def env(self, rest):
        name, _, value = rest.partition("=")
        self.environment[name] = value

    def workdir(self, rest):
        self.directory = rest
        os.makedirs(os.path.join(self.root, rest.lstrip("/")), exist_ok=True)

    def entrypoint(self, rest):
        self.entry = json.loads(rest)

    def cmd(self, rest):
        self.command = json.loads(rest)

    def run(self, *arguments):
        """As an engine would start it."""
        def enter():
            os.chroot(self.root)
            os.chdir(self.directory)
        return subprocess.run([*self.entry, *(arguments or self.command)], preexec_fn=enter, env=self.environment,
                              capture_output=True, text=True, check=False, timeout=60)


def main():
    archives = glob.glob(f"{BUILD}/release/artefacts/sqlite-safetensors-container-*.tar.gz")
    architecture = ARCHITECTURES.get(platform.machine())
    if not archives or os.geteuid() != 0 or not architecture:
        print("skipped: the container (there is none: make release; or not root)")
        tally.finish()
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(archives[0]) as archive:
            archive.extractall(directory)
        root = os.path.join(directory, "root")
        os.mkdir(root)
        image = Image(glob.glob(f"{directory}/sqlite-safetensors-container-*")[0], root, TARGETARCH=architecture)
        tally.equal(sorted(os.listdir(root)), ["LICENSE", "copyright", "models", "safetensors-sql"], "what is in the image")
        making.file(os.path.join(root, "models", "model.safetensors"), {"a": b"\1\2\3"}, {"format": "pt"})
        out = image.run()
        tally.check(out.returncode == 0 and "summary" in out.stdout, "the container without arguments", out)
        out = image.run("summary", "model.safetensors")
        tally.check(out.returncode == 0 and "U8" in out.stdout, "a verb in the container", out)
        out = image.run("sql", "--format", "csv", "SELECT tensor_json('model.safetensors#a') AS x")
        tally.equal((out.returncode, out.stdout.splitlines()), (0, ["x", '"[1,2,3]"']), f"SQL in the container {out}")
        out = image.run("summary", "missing.safetensors")
        tally.equal(out.returncode, 3, f"a missing file in the container {out}")
    tally.finish()


if __name__ == "__main__":
    main()
