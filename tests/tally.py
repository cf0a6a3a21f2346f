"""Counting for the test scripts in Python, and a connection with the extension loaded."""

import os
import sqlite3
import sys

BUILD = os.environ.get("BUILD", "build")


def connect():
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.enable_load_extension(False)
    return db


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what, *details):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {what}", *details, sep="\n    ")

    def equal(self, got, expected, what):
        self.check(got == expected, what, f"expected {expected!r}", f"got      {got!r}")

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)
