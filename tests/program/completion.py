"""Completion of command lines, as bash does it, and as zsh and fish do where they are installed.

Suite: program
"""

import os
import pty
import shutil
import subprocess
import tempfile

import script_header
from sql_program import PROGRAM
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
    verbs = {script_header.typed(verb).split()[0] for verb in script_header.verbs()}
    tally.check(verbs <= set(complete("")), "all verbs", complete(""))
    tally.check({"sql", "shell", "help"} <= set(complete("")), "and commands")
    tally.equal(complete("comp"), ["compare", "completion"], "the beginning of a word")
    tally.equal(complete("comp", program="hf-safetensors-sql"), ["compare", "completion"], "under the other name")
    tally.equal(complete("check", ""), ["a model.safetensors", "bin", "other.txt"], "files")
    tally.equal(complete("check", "a"), ["a model.safetensors"], "a file with a space")
    tally.equal(complete("check", "other.txt", "--form"), ["--format"], "an option")
    tally.equal(complete("check", "--format", ""), ["box", "csv", "html", "json", "junit", "markdown", "sarif", "text"], "its value")
    tally.equal(complete("check", "--table", ""), ["checked", "checked_models", "findings"], "a table")
    tally.equal(complete("compare", "--prefix"), ["--prefix-a", "--prefix-b"], "parameters of a script")
    tally.equal(complete("compare", "--c", "o"), ["other.txt"], "a path for one")
    tally.equal(complete("compare", "--prefix-a", ""), [""], "a text, of which nothing is known")
    tally.check("--dry-run" in complete("extract", "--"), "options of those that write")
    tally.check("--dry-run" not in complete("summary", "--"), "and of no others")
    tally.equal(complete("completion", "f"), ["fish"], "shells")
    tally.equal(complete("help", "quant"), ["quant", "quantized"], "verbs and their aliases for help")
    tally.check("--param" in complete("sql", "--p"), "options of commands")


# What zsh offers goes into a file, one word a line, as the words pass its own function; then what it makes of the line.
ZSH = """\
PS1='> '
unsetopt beep
autoload -U compinit && compinit -u -D
eval "$(safetensors-sql completion zsh)"
compadd() { local -a offered; builtin compadd -O offered "$@"; print -rl -- $offered >>offered; builtin compadd "$@" }
answer() { zle complete-word; print -r -- "$BUFFER" >line; exit }
zle -N answer
bindkey '^T' answer
print READY
"""


def in_zsh(line):
    """What zsh offers for the end of the line, and the line afterwards: as in a terminal, where it is typed."""
    directory = tempfile.mkdtemp(dir=root)
    for name in ("a model.safetensors", "other.txt"):
        with open(f"{directory}/{name}", "w", encoding="utf-8"):
            pass
    with open(f"{directory}/.zshrc", "w", encoding="utf-8") as file:
        file.write(ZSH)
    ours, theirs = pty.openpty()
    with subprocess.Popen(["zsh", "-d", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, start_new_session=True,
                          env={**ENVIRONMENT, "ZDOTDIR": directory, "TERM": "dumb"}) as child:
        os.close(theirs)
        shown, sent = b"", False
        try:
            while block := os.read(ours, 65536):
                shown += block
                if b"READY" in shown and not sent:
                    sent = True
                    os.write(ours, line.encode() + b"\x14")
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        child.wait()
    found = []
    for name in ("offered", "line"):
        with open(f"{directory}/{name}", encoding="utf-8") as file:
            found.append(sorted(file.read().splitlines()))
    return [word for word in found[0] if word], found[1][0]


def test_zsh():
    if shutil.which("zsh") is None:
        print("skipped: completion in zsh (not installed)")
        return
    tally.equal(in_zsh("safetensors-sql comp"), (["compare", "completion"], "safetensors-sql comp"), "zsh: the beginning of a word")
    tally.equal(in_zsh("safetensors-sql summ"), (["summary"], "safetensors-sql summary "), "zsh: a verb")
    tally.equal(in_zsh("safetensors-sql check a")[1], "safetensors-sql check a\\ model.safetensors ", "zsh: a file with a space")
    tally.equal(in_zsh("safetensors-sql check other.txt --form"), (["--format"], "safetensors-sql check other.txt --format "),
                "zsh: an option")
    tally.equal(in_zsh("safetensors-sql check --format j"), (["json"], "safetensors-sql check --format json "), "zsh: its value")
    tally.equal(in_zsh("safetensors-sql compare --prefix-a x")[0], [], "zsh: a text, of which nothing is known")


def in_fish(line):
    done = subprocess.run(["fish", "--no-config", "-c", "safetensors-sql completion fish | source; complete -C $argv[1]", "--", line],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=root,
                          env={**ENVIRONMENT, "HOME": root})
    tally.equal(done.stderr, "", f"fish says nothing of {line}")
    return sorted(done.stdout.splitlines())


def test_fish():
    if shutil.which("fish") is None:
        print("skipped: completion in fish (not installed)")
        return
    tally.equal(in_fish("safetensors-sql comp"), ["compare", "completion"], "fish: the beginning of a word")
    tally.equal(in_fish("safetensors-sql check a"), ["a model.safetensors"], "fish: a file with a space")
    tally.equal(in_fish("safetensors-sql check other.txt --form"), ["--format"], "fish: an option")
    tally.equal(in_fish("safetensors-sql check --format j"), ["json"], "fish: its value")
    tally.equal(in_fish("safetensors-sql compare --prefix-a x"), [], "fish: a text, of which nothing is known")


tally.run(globals(), root)
