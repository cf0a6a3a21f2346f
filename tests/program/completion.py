"""Completion of command lines, as bash does it; the other shells' where they are installed.

Suite: program
"""

import os
import shutil
import subprocess
import tempfile

import script_header
from sql_program import GOOD, PROGRAM, run
from tally import Tally

tally = Tally()
root = tempfile.mkdtemp()
os.mkdir(f"{root}/bin")
os.symlink(PROGRAM, f"{root}/bin/safetensors-sql")
os.symlink(PROGRAM, f"{root}/bin/hf-safetensors-sql")
ENVIRONMENT = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"}
for name in ("a model.safetensors", "other.txt"):
    with open(f"{root}/{name}", "w", encoding="utf-8"):
        pass

BASH = """\
source <("$0" completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
eval "$(complete -p "$0" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, program="safetensors-sql"):
    """What bash offers for the last of the words, which follow the program's name."""
    done = subprocess.run(["bash", "-c", BASH, program, program, *words], capture_output=True, text=True, check=True,
                          cwd=root, env=ENVIRONMENT)
    tally.equal(done.stderr, "", f"bash says nothing of {words}")
    return sorted(done.stdout.splitlines())


def test_bash():
    verbs = {verb.replace("_", "-") for verb in script_header.verbs()}
    tally.check(verbs <= set(complete("")), "all verbs", complete(""))
    tally.check({"sql", "shell", "help"} <= set(complete("")), "and commands")
    tally.equal(complete("comp"), ["compare", "completion"], "the beginning of a word")
    tally.equal(complete("comp", program="hf-safetensors-sql"), ["compare", "completion"], "under the other name")
    tally.equal(complete("check", ""), ["a model.safetensors", "bin", "other.txt"], "files")
    tally.equal(complete("check", "a"), ["a model.safetensors"], "a file with a space")
    tally.equal(complete("check", "other.txt", "--form"), ["--format"], "an option")
    tally.equal(complete("check", "--format", ""), ["box", "csv", "html", "json", "markdown"], "its value")
    tally.equal(complete("check", "--table", ""), ["findings"], "a table")
    tally.equal(complete("compare", "--prefix"), ["--prefix-a", "--prefix-b"], "parameters of a script")
    tally.equal(complete("compare", "--c", "o"), ["other.txt"], "a path for one")
    tally.equal(complete("compare", "--prefix-a", ""), [""], "a text, of which nothing is known")
    tally.check("--dry-run" in complete("extract", "--"), "options of those that write")
    tally.check("--dry-run" not in complete("summary", "--"), "and of no others")
    tally.equal(complete("completion", "f"), ["fish"], "shells")
    tally.equal(complete("help", "quant"), ["quant", "quantized"], "verbs and their aliases for help")
    tally.check("--param" in complete("sql", "--p"), "options of commands")


def test_other_shells():
    for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
        status, text, _ = run("completion", shell)
        tally.check(status == GOOD and "safetensors-sql" in text, f"completion {shell}", text)
        if shutil.which(shell) is None:
            print(f"skipped: completion in {shell} (not installed)")
            continue
        path = f"{root}/completion.{shell}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        tally.equal(subprocess.run([*check, path], check=False).returncode, 0, f"{shell} reads it")


tally.run(globals(), root)
