"""Runs scripts of tests/sql on apsw, which contains an SQLite of its own. The format is described in runner/runner.c,
the first implementation of it."""

import hashlib
import re
import tempfile

import apsw


class Wrong(Exception):
    """A record that does not hold, or that cannot be read."""


def require(condition, *words):
    if not condition:
        raise Wrong(*words)


def records(text):
    """The records' lines, without comments; each with its number."""
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if not line.startswith("#")]
    record = []
    for number, line in [*lines, (0, "")]:
        if line.strip(" \t\r\v\f"):
            record.append((number, line))
        elif record:
            yield record
            record = []


def printable(content):
    return "".join(chr(byte) if 0x20 <= byte <= 0x7e else "@" for byte in content)


def one_statement(sql):
    """Whether there is nothing behind the first statement: SQLite says where one is complete."""
    for end in (match.end() for match in re.finditer(";", sql)):
        if apsw.complete(sql[:end]):
            rest = re.sub(r"--[^\n]*(\n|$)|/\*.*?(\*/|$)", "", sql[end:], flags=re.DOTALL)
            return not rest.strip()
    return True


class Script:
    """One script on a connection of its own. What ${NAME} stands for is in `names`."""

    def __init__(self, path, extension, names):
        self.extension, self.names = extension, names
        self.threshold, self.labels, self.left_out, self.passed, self.failures = 8, {}, False, 0, []
        self.plain = apsw.Connection(":memory:")
        with open(path, encoding="utf-8", newline="\n") as file:
            self.text = file.read()

    def run(self):
        with tempfile.TemporaryDirectory() as directory:
            self.names = {**self.names, "TMP": directory}
            self.plain.execute("SELECT 1").fetchall()
            before = apsw.memory_used()
            self.db = apsw.Connection(":memory:")
            if self.extension is not None:
                self.db.enable_load_extension(True)
                self.db.load_extension(self.extension)
                self.db.enable_load_extension(False)
            self.run_records()
            self.db.close()
            held = apsw.memory_used() - before
            if held:
                self.failures.append(f"SQLite holds {held} bytes more than before")
            else:
                self.passed += 1

    def run_records(self):
        for record in records(self.text):
            line = record[0][0]
            try:
                if not self.run_record(record):
                    return
            except Wrong as problem:
                self.failures.append(f"{line}: {problem}")
            except (LookupError, ValueError, re.error) as problem:
                self.failures.append(f"{line}: cannot be read: {problem!r}")
                return

    def run_record(self, record):
        """Whether the script goes on."""
        lines = [line for _, line in record]
        self.left_out = False
        words = lines[0].split()
        while words[0] in ("skipif", "onlyif"):
            self.left_out |= (words[1].lower() == "sqlite") == (words[0] == "skipif")
            lines.pop(0)
            words = lines[0].split()
        if words[0] == "halt":
            return self.left_out
        if words[0] == "hash-threshold":
            self.threshold = self.threshold if self.left_out else int(words[1])
        elif words[0] == "statement":
            self.run_statement(lines, words[1:])
        elif words[0] == "query":
            self.run_query(lines, words[1], words[2:])
        else:
            raise LookupError(f"unknown record {words[0]}")
        return True

    def lacks_corpus(self, lines):
        return "CORPUS" not in self.names and any("${CORPUS}" in line for line in lines)

    def replaced(self, text, change=str):
        return re.sub(r"\$\{(\w+)\}", lambda match: change(self.names[match.group(1)]), text)

    def run_statement(self, lines, outcome):
        if outcome != ["ok"] and outcome[0] != "error":
            raise LookupError(" ".join(outcome))
        if not self.left_out and not self.lacks_corpus(lines):
            self.judge(lines[0], self.replaced("\n".join(lines[1:])), "", outcome[0] == "error")
            self.passed += 1

    def run_query(self, lines, types, how):
        """`how`: the way to sort, and a label; or the error."""
        must_fail = how[0:1] == ["error"]
        if not set(types) <= set("TIR") or not must_fail and how and how[0] not in ("nosort", "rowsort", "valuesort"):
            raise LookupError(lines[0])
        if self.lacks_corpus(lines):
            return
        end = lines.index("----") if "----" in lines else len(lines)
        expected = [self.replaced(line, lambda value: printable(value.encode())) for line in lines[end + 1:]]
        sort, label = (*how, None, None)[:2]
        if self.left_out:
            if label is not None:
                self.check_label(label, self.hashed(expected) if len(expected) <= self.threshold else expected[0])
            return
        rows = self.judge(lines[0], self.replaced("\n".join(lines[1:end])), types, must_fail)
        if not must_fail:
            self.check_rows(rows, expected, sort, label)
        self.passed += 1

    def judge(self, first, sql, types, must_fail):
        """Runs the SQL of a record, whose first line has the error that it must end with. Returns its rows."""
        if not one_statement(sql):
            raise LookupError("more than one statement")
        rows, error = self.result(sql, types)
        if must_fail:
            pattern = self.replaced(first.split("error", 1)[1].strip(), re.escape)
            require(error is not None and re.search(pattern, error), f"expected error {pattern}, got {error}", sql)
        else:
            require(error is None, error, sql)
        return rows

    def result(self, sql, types):
        """The values as rows of text, and the error's message."""
        rows = []
        try:
            for row in self.db.execute(sql):
                require(not types or len(row) == len(types), f"columns: {len(row)}", sql)
                rows.append([self.value(value, kind) for value, kind in zip(row, types)])
        except apsw.Error as problem:
            return rows, str(problem)
        return rows, None

    def value(self, value, kind):
        if value is None:
            return "NULL"
        if kind == "T":
            content = self.plain.execute("SELECT CAST(CAST(? AS TEXT) AS BLOB)", [value]).get
            return printable(content.split(b"\0")[0]) or "(empty)"
        number = self.plain.execute(f"SELECT CAST(? AS {'INTEGER' if kind == 'I' else 'REAL'})", [value]).get
        return str(number) if kind == "I" else f"{number:.3f}"

    def check_rows(self, rows, expected, sort, label):
        if sort == "rowsort":
            rows.sort()
        values = [value for row in rows for value in row]
        if sort == "valuesort":
            values.sort()
        shown = values if self.threshold == 0 or len(values) <= self.threshold else [self.hashed(values)]
        require(shown == expected, f"expected {expected}, got {values[:60]}")
        if label is not None:
            self.check_label(label, self.hashed(values))

    def hashed(self, values):
        return f"{len(values)} values hashing to {hashlib.md5(''.join(value + chr(10) for value in values).encode()).hexdigest()}"

    def check_label(self, label, got):
        require(self.labels.setdefault(label, got) == got, f"label {label}: another result than before")
