"""Constraints on positions: random queries over tensor_elements and tensor_rows give what SQLite gives of an
ordinary table with the same rows, in the same order."""

import random

from tally import Tally, connect

CASES = 3000
COUNT = 40
tally = Tally()
db = connect()
rng = random.Random(20260301)

db.execute("CREATE TABLE data(bytes BLOB)")
db.execute("INSERT INTO data VALUES (?)", [bytes(rng.randrange(256) for _ in range(COUNT))])
ELEMENTS = "tensor_elements((SELECT bytes FROM data), 'U8') AS t"
ROWS = f"tensor_rows((SELECT bytes FROM data), 'U8', '[{COUNT},1]') AS t"
for name, select in [("elements", f"SELECT idx, value FROM {ELEMENTS}"), ("rows", f"SELECT i, hex(data) FROM {ROWS}")]:
    db.execute(f"CREATE TABLE plain_{name}(idx INTEGER PRIMARY KEY, value)")
    db.execute(f"INSERT INTO plain_{name} {select}")
    tally.equal(db.execute(f"SELECT count(*) FROM plain_{name}").fetchone(), (COUNT,), f"{name}: rows")

EXTREMES = ["9223372036854775807", "-9223372036854775808", "9223372036854775806", "1e300", "-1e300", "9e999",
            "-9e999", "NULL", "'text'", "''", "x'00'", "'12'", "'7.5'", "' 3 '", "9.3e18", "-0.0", "0"]


def bound():
    kind = rng.random()
    if kind < 0.6:
        return str(rng.randint(-3, COUNT + 2))
    if kind < 0.8:
        return str(rng.randint(-6, 2 * COUNT + 4) / 2)
    return rng.choice(EXTREMES)


def term(position):
    kind = rng.random()
    if kind < 0.6:
        return f"{position} {rng.choice(['=', '<', '<=', '>', '>=', '==', '<>', 'IS'])} {bound()}"
    if kind < 0.75:
        return f"{position} {rng.choice(['', 'NOT '])}BETWEEN {bound()} AND {bound()}"
    if kind < 0.85:
        return f"{bound()} {rng.choice(['=', '<', '<=', '>', '>='])} {position}"
    if kind < 0.95:
        return f"{position} IN ({', '.join(bound() for _ in range(rng.randint(1, 4)))})"
    return rng.choice([f"{position} IS NOT NULL", "value > 100", f"({position} < {bound()} OR {position} > {bound()})"])


def query(position):
    """A query with {table} and {position} left open, and whether its order is given."""
    text = rng.choice(["SELECT {position}, value FROM {table}"] * 4 +
                      ["SELECT DISTINCT {position} / 3 FROM {table}", "SELECT count(*), sum({position}) FROM {table}",
                       "SELECT {position} / 5, count(*), max(value) FROM {table}"])
    terms = [term("{position}") for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))]
    if terms:
        text += " WHERE " + rng.choice([" AND ", " AND ", " OR "]).join(terms)
    if "/ 5" in text:
        return text + " GROUP BY 1 ORDER BY 1"
    if "SELECT count" in text:
        return text
    order = rng.choice(["{position}", "{position} DESC", "{position}, value DESC", "{position} DESC, value",
                        "value, {position}", "value DESC, {position} DESC", "t.rowid DESC"])
    if "DISTINCT" in text:
        order = rng.choice(["1", "1 DESC"])
    text += f" ORDER BY {order}"
    if rng.random() < 0.5:
        text += f" LIMIT {rng.choice(['0', '1', '5', '100', '-1'])}"
        if rng.random() < 0.6:
            text += f" OFFSET {rng.choice(['0', '1', '7', '39', '40', '1000', '-5'])}"
    return text


for _ in range(CASES):
    text = query("idx")
    for name, table, position in [("elements", ELEMENTS, "idx"), ("rows", ROWS, "i")]:
        expected = db.execute(text.format(table=f"plain_{name} AS t", position="idx")).fetchall()
        value = "hex(data)" if name == "rows" else "value"
        ours = f"(SELECT {position}, {value} AS value, rowid FROM {table}) AS t" if rng.random() < 0.2 else table
        got = text.format(table=ours, position=position)
        if name == "rows" and ours is table:
            got = got.replace("value", value)
        tally.equal(db.execute(got).fetchall(), expected, got)
tally.finish()
