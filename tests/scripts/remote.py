"""The scripts of sql/ over a hub, a store and the web, on loopback: each says of checkpoints of the network what it says of
the same files on this machine, apart from their names, and what it writes of them is the same. Nothing is written to
addresses.

    remote.py [VERB...]      only these

Covers little: of all lines, others reach nearly as many.
"""

import os
import re
import shutil
import sys

import verbs
from folder_server import FolderServer
from tally import Tally, connect, database_error
from verbs import HEADERS, ROOT, database_of, given, session, source, values
from web_server import COMMIT

tally = Tally()
CHOSEN = [verb for verb in verbs.RUNNABLE if (verb in sys.argv[1:] or not sys.argv[1:]) and not verb.startswith("fleet/")]


# What differs from run to run, or is a name: identifiers and times of a bill of materials, times of files, the title of a page; and
# what is beside weights at an address is not copied.
VARYING = ((r"urn:uuid:[0-9a-f-]+", "UUID"), (r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "TIME"), (r'"modified": (null|"TIME")', '"modified": null'), (r"org/folder/base\.safetensors", "base"),
           ("There is none beside the packed model", "It is at an address of the network, and not copied"))
# Of the hub, verify is about this machine's copies: see tests/sql/network_places.py.
APART = {("verify", "hub")}
# Of files on this machine.
LOCAL = {"edit_metadata", "index"}


def sources(verb):
    """The parameters that are read at a path, or may be."""
    header = HEADERS[verb]
    return [name for name, of in header.parameters.items() if name not in header.writes and name != "lock" and (of.kind in ("path", "ref") or name == "models")]


def at(parameters, names, place):
    """These parameters, of which some are at another place."""
    return {name: value.replace(ROOT, place) if name in names else value for name, value in parameters.items()}


def plain(text, place):
    """What is printed, but for the names of places and the widths of columns, which depend on them."""
    text = text.replace(f"@{COMMIT}", "").replace(place, "ROOT").replace(ROOT, "ROOT")
    for pattern, by in VARYING:
        text = re.sub(pattern, by, text)
    return re.sub(r"-{2,}", "--", re.sub(r"[ \t]+", " ", text))


def run(verb, parameters, place, form):
    """What comes out, and the digests of what is written, which is put back."""
    before = verbs.files()
    code, out, error = session(given({**parameters, "format": form}), source(verb), database=database_of(verb))
    changed = {path.replace(ROOT, "ROOT"): plain(content.decode("latin-1"), place) for path, content in verbs.put_back(before).items()}
    return code, plain(out, place), plain(error, place), changed


def check_verb(verb, place):
    parameters, names = values(verb), sources(verb)
    for form in "text", "json":
        if form == "json" and (HEADERS[verb].writes or place.startswith("s3://")):
            continue  # one kind of place is enough for the second form
        expected = run(verb, parameters, ROOT, form)
        got = run(verb, at(parameters, names, place), place, form)
        tally.equal(got, expected, f"sql/{verb}.sql of {place} as {form}")


def test_verbs(served):
    for verb in CHOSEN:
        for kind in "hub", "store":
            if sources(verb) and verb not in LOCAL and (verb, kind) not in APART:
                check_verb(verb, served.places[kind])


def test_refusals(served):
    """Nothing is written to an address, and one sentence says so."""
    for verb in CHOSEN:
        for name in HEADERS[verb].writes:
            for kind in "hub", "store", "web":
                place = served.places[kind]
                parameters = {**values(verb), "out": f"{place}/out.safetensors"} if name == "out" else {**values(verb), name: f"{place}/base.safetensors"}
                served.asked()
                code, out, error = session(given(parameters), source(verb), database=database_of(verb))
                tally.check(code == 1 and out == "" and error.count("\n") == 1, f"sql/{verb}.sql with {name} at {place}", code, out[:300], error)
                tally.check(not any(method not in ("GET", "HEAD") for method, _, _ in served.asked()), f"sql/{verb}.sql with {name} at {place}: requests")


if __name__ == "__main__":
    verbs.make()
    with FolderServer(ROOT) as here:
        for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_"))]:
            del os.environ[variable]
        os.environ.update(here.environment, SAFETENSORS_NETWORK="on", SAFETENSORS_HEADER_CACHE="off", HF_HUB_CACHE=f"{ROOT}/.no-cache")
        try:
            if "install libcurl" in database_error(connect(), "SELECT count(*) FROM safetensors_models('hf://org/folder')"):
                print("skipped: the network (neither libcurl nor curl)")
            else:
                test_verbs(here)
                test_refusals(here)
        finally:
            shutil.rmtree(ROOT)
    tally.finish()
