"""The headers of the scripts in sql/: what their reader takes and what it refuses."""

import script_header
from script_header import HeaderError, Parameter
from tally import Tally

tally = Tally()
EXAMPLE = "\n".join(line.removeprefix("| ") for line in """\
| -- What did the fine-tune change?
| --
| -- A paragraph
| -- of two lines.
| --
| --   CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors');
| --
| -- @alias diff
| -- @param a path required      the checkpoint before
| -- @param prefix_a text ''     a prefix  to take off,
| --                             whose text goes on
| -- @param most integer -20     how many
| -- @param share real 0.5       a share
| -- @param name ref             a tensor
| -- @param word text 'it''s @ required'   a default with a quote
| -- @param order enum name|size   in which order
| -- @param kind enum a|b b      of which kind
| -- @param all flag             also what is the same
| -- @table changes(name,
| --     status)   one row per tensor
| -- @status 1   when b has NaN
| -- @writes a
| -- @example safetensors-sql compare 'a b.safetensors' --most=5 --all --order size --output=page
|
| -- no header
""".splitlines())


def test_read():
    header = script_header.parse("compare", EXAMPLE)
    tally.equal((header.summary, header.paragraphs), (
        "What did the fine-tune change?",
        [["A paragraph", "of two lines."], ["  CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors');"]]), "for people")
    tally.equal(list(header.parameters.values()), [
        Parameter("a", "path", [], True, None, "the checkpoint before"),
        Parameter("prefix_a", "text", [], False, "", "a prefix  to take off, whose text goes on"),
        Parameter("most", "integer", [], False, -20, "how many"), Parameter("share", "real", [], False, 0.5, "a share"),
        Parameter("name", "ref", [], False, None, "a tensor"),
        Parameter("word", "text", [], False, "it's @ required", "a default with a quote"),
        Parameter("order", "enum", ["name", "size"], False, "name", "in which order"),
        Parameter("kind", "enum", ["a", "b"], False, "b", "of which kind"),
        Parameter("all", "flag", [], False, 0, "also what is the same")], "parameters")
    tally.equal([(table.name, table.columns, table.text) for table in header.tables.values()],
                [("changes", ["name", "status"], "one row per tensor")], "tables")
    tally.equal((header.aliases, header.statuses, header.writes), (["diff"], {1: "when b has NaN"}, ["a"]), "the rest")
    tally.equal([script_header.command(header, example) for example in header.examples],
                [{"a": "a b.safetensors", "most": "5", "all": 1, "order": "size"}], "its example")


def test_refused():
    for old, new, message in [
            ("What did", "what did", "1: expected one question or sentence"), ("change?", "change" + "?" * 40, "1: expected one question"),
            ("-- A para", "--A para", "3: expected a space"), ("-- A para", "-- A\tpara", "3: expected no space at the end"),
            ("?\n--\n", "?\n", "2: expected a blank line"), ("-- @alias diff", "-- @alais diff", "8: expected a directive that is known"),
            ("@alias diff", "@alias Diff", "8: expected a name"), ("a path required", "a path", None),
            ("a path required", "a paths required", "9: expected one of the kinds"), ("a path required", "help path required", "9: expected another name"),
            ("a path required", "format path required", "9: expected format to be an enum"), ("      the checkpoint before", "", "9: expected a text"),
            ("-20", "2.5", "12: expected a whole number"), ("0.5", "half", "13: expected a number"), ("''s", "'s", "15: expected a word"),
            ("a|b b", "a|b c", "17: expected one of"), ("a|b b", "a|a", "17: expected words"), ("all flag", "all flag 0", "18: expected nothing after flag"),
            ("param kind", "param order", "17: expected each parameter once"), ("(name,", "(status,", "19: expected each column once"),
            ("@table", "@writes a\n-- @table", None), ("@writes a", "@writes most", "22: expected the name of a path"),
            ("--     status)", "-- status)", "20: expected a directive, or a line"), ("1   when", "0   when", "21: expected N  when"),
            ("@table", "@database\n-- @table", "19: expected a text, once"), ("@table", "@prints html\n-- @table", None),
            ("@writes a", "@prints pdf", "22: expected html")]:
        text = EXAMPLE.replace(old, new, 1)
        tally.check(text != EXAMPLE, f"{old} is there")
        try:
            script_header.parse("compare", text)
            tally.check(message is None, f"{new} is refused")
        except HeaderError as error:
            tally.check(message and str(error).startswith(message), f"{new} for {old}", error)


def test_commands():
    header = script_header.parse("compare", EXAMPLE)
    for words in ("compare", "compare a b", "compare a --none", "compare a --most", "compare a --most x", "compare a --kind c", "other a",
                  "compare a --all --all", "compare a --output"):
        try:
            tally.check(False, f"{words} is refused", script_header.command(header, f"safetensors-sql {words}"))
        except HeaderError:
            tally.check(True, words)
    tally.equal(script_header.command(header, "safetensors-sql diff a --prefix-a=--x"), {"a": "a", "prefix_a": "--x"}, "an alias")


for test in (test_read, test_refused, test_commands):
    test()
tally.finish()
