"""Counting for the test scripts in Python, and a connection with the extension loaded."""

import os
import shutil
import sqlite3
import sys

BUILD = os.environ.get("BUILD", "build")


def connect():
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.enable_load_extension(False)
    return db


def database_error(db, sql, *arguments):
    """What is wrong with a statement."""
    try:
        db.execute(sql, arguments).fetchall()
    except sqlite3.Error as problem:
        return str(problem)
    return "no error"


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

    def run(self, names, root):
        """Runs the functions test_* of a module, whose globals() are given, in their order; removes the directory
        `root`, and ends the program."""
        try:
            for name, test in list(names.items()):
                if name.startswith("test_"):
                    test()
        finally:
            shutil.rmtree(root)
        self.finish()
