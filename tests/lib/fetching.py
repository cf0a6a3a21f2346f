"""Requests by the tool `fetcher`, in environments with libcurl, with the program curl alone, and with neither."""

import json
import os
import shutil
import subprocess
import tempfile
import time

FETCHER = os.path.join(os.environ.get("BUILD", "build"), "tests", "fetcher")
UNSET = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def without_library(directory, curl):
    """An environment in which libcurl cannot be opened by us, but by curl, or no curl is there. The words on its command
    line are added to the file `arguments`."""
    os.makedirs(directory)
    for name in "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so", "libcurl.4.dylib":
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"no library")
    if curl:
        with open(os.path.join(directory, "curl"), "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nunset LD_LIBRARY_PATH\necho "$@" >>{directory}/arguments\nexec {curl} "$@"\n')
        os.chmod(os.path.join(directory, "curl"), 0o755)
    return {"LD_LIBRARY_PATH": directory, "PATH": f"{directory}:/bin" if curl else directory}


class Fetching:
    """How requests are made at present: `means` is what the environment has for it."""

    def __init__(self, tally):
        self.tally, self.means = tally, {}

    def fetch(self, *words, environment=None, limit=60):
        """What the fetcher prints, line by line, and the seconds that it takes."""
        start = time.monotonic()
        clean = {name: value for name, value in os.environ.items()
                 if not name.lower().endswith("_proxy") and name not in UNSET and not name.startswith("AWS_")}
        done = subprocess.run([FETCHER, *words], check=False, stdout=subprocess.PIPE, text=True, timeout=limit,
                              env={**clean, **self.means, **(environment or {})})
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.tally.check(done.returncode == 0 or "error" in lines[-1], f"fetcher {words}", str(done.returncode))
        return lines, time.monotonic() - start

    def run_all(self, names, reset=lambda: None):
        """Runs the functions test_* of a module, whose globals() are given, by libcurl and by the program curl."""
        if "install libcurl" in self.fetch("http://localhost:9/", environment={})[0][0].get("error", ""):
            print("skipped: requests by libcurl, which is not installed")
        else:
            self.run("libcurl", names, reset)
        program = shutil.which("curl")
        if not program:
            print("skipped: requests by the program curl, which is not installed")
            return
        root = tempfile.mkdtemp()
        try:
            self.means = without_library(os.path.join(root, "program"), program)
            self.run("the program curl", names, reset)
            with open(os.path.join(root, "program", "arguments"), encoding="utf-8") as words:
                self.tally.equal(set(words.read().splitlines()), {"-q --config -"}, "what others can read of curl's command line")
        finally:
            self.means = {}
            shutil.rmtree(root)

    def run(self, kind, names, reset):
        reset()
        for name, test in list(names.items()):
            if name.startswith("test_"):
                before = self.tally.failed
                test()
                if self.tally.failed > before:
                    print(f"    ({name}, by {kind})")
