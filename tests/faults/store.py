#!/usr/bin/env python3
"""Objects of a store that speaks S3 (model/s3.c): lists, page by page, and objects, with signatures that the server of
tests/lib/store_server.py verifies; where the keys come from; and a sentence for every refusal."""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from fetching import Fetching  # noqa: E402  pylint: disable=wrong-import-position
from store_server import StoreWeb  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position

BYTES = bytes(range(256)) * 16
ODD = "run/1/m odel+\u00e9&<x>'%41.safetensors"
FILES = {"a.safetensors": BYTES, ODD: BYTES, "run/1/z": b"", "run/2/model.safetensors": BYTES[:5], "z": b"1"}
tally = Tally()
fetching = Fetching(tally)
root = tempfile.mkdtemp()
web = StoreWeb(FILES)
KEYS = {"AWS_ACCESS_KEY_ID": "AKTEST", "AWS_SECRET_ACCESS_KEY": "secret/+key"}


def ask(what, address, endpoint=True, **environment):
    clean = {"HOME": root, **({"AWS_ENDPOINT_URL": web.address + "/"} if endpoint else {}), **environment}
    return fetching.fetch(what, address, environment=clean)[0]


def names(prefix, **environment):
    return [line.get("address", line.get("error")) for line in ask("--objects", f"s3://{prefix}", **environment)]


def test_lists():
    everything = [f"s3://models/{name}" for name in sorted(FILES)]
    tally.equal(names("models/", **KEYS), everything, "all objects, two on a page")
    tally.equal(names("models", **KEYS), everything, "a bucket without a slash")
    tally.equal(names("models/run/1/m odel+", **KEYS), [f"s3://models/{ODD}"], "the beginning of a key")
    tally.equal(names("models/none", **KEYS), [], "none")
    tally.equal(names("public/"), [address.replace("models", "public", 1) for address in everything], "without keys")
    line = ask("--objects", "s3://models/run/2", **KEYS)[0]
    tally.equal((line["size"], line["etag"]), (5, '"d05374dc381d9b52806446a71c8e79b1"'), "size and ETag")


def test_objects():
    for name in "a.safetensors", ODD:
        line = ask("--object", f"s3://models/{name}", **KEYS)[0]
        tally.check(line.get("status") == 206 and line["sum"] == sum(BYTES[:1000]), f"the first bytes of {name}", str(line))
    line = ask("--object", "s3://public/a.safetensors")[0]
    tally.equal(line.get("status"), 206, "without keys")


def test_keys():
    """Keys of the environment, of a profile, of a profile with a name; with a token; never mixed."""
    with open(os.path.join(root, "credentials"), "w", encoding="utf-8") as file:
        file.write("# comment\n[default]\naws_access_key_id = nobody\naws_secret_access_key=x\n\n[ run ]\r\n aws_secret_access_key = no\r\n"
                   "aws_access_key_id=AKTEST \r\naws_secret_access_key =  secret/+key\r\n[other]\naws_session_token = x\n")
    with open(os.path.join(root, "config"), "w", encoding="utf-8") as file:
        file.write(f"[profile run]\nregion = eu-west-3\ns3 =\n  endpoint_url = http://127.0.0.1:9\nendpoint_url = {web.address}\n")
    files = {"AWS_SHARED_CREDENTIALS_FILE": os.path.join(root, "credentials"), "AWS_CONFIG_FILE": os.path.join(root, "config")}
    line = ask("--object", "s3://models/a.safetensors", endpoint=False, AWS_PROFILE="run", **files)[0]
    tally.equal(line.get("status"), 206, "a profile, its keys, region and endpoint")
    line = ask("--object", "s3://models/a.safetensors", **files)[0]
    tally.check("does not exist in our records" in line.get("error", ""), "the profile default", str(line))
    line = ask("--object", "s3://models/a.safetensors", AWS_PROFILE="run", AWS_SECRET_ACCESS_KEY="x", **files)[0]
    tally.equal(line.get("status"), 206, "half a pair in the environment is not mixed with the other half of a file")
    os.makedirs(os.path.join(root, ".aws"), exist_ok=True)
    shutil.copy(files["AWS_SHARED_CREDENTIALS_FILE"], os.path.join(root, ".aws", "credentials"))
    tally.equal(ask("--object", "s3://models/a.safetensors", AWS_PROFILE="run")[0].get("status"), 206, "~/.aws/credentials")
    shutil.rmtree(os.path.join(root, ".aws"))
    web.token = "to/ken=="
    line = ask("--object", "s3://models/a.safetensors", AWS_SESSION_TOKEN=web.token, **KEYS)[0]
    tally.equal(line.get("status"), 206, "a token")
    line = ask("--object", "s3://models/a.safetensors", AWS_SESSION_TOKEN="other", **KEYS)[0]
    tally.check("token is malformed" in line.get("error", ""), "another token", str(line))
    web.token = None


def test_refusals():
    for address, more, words in (
            ("s3://models/none", KEYS, "found none at this address: The specified key does not exist"),
            ("s3://none/a", KEYS, "The specified bucket does not exist"),
            ("s3://models/a.safetensors", {}, "Access Denied: set AWS_ACCESS_KEY_ID"),
            ("s3://models/a.safetensors", {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"}, "does not match the signature you provided: its owner"),
            ("s3://models/../x", KEYS, "expected s3://BUCKET/KEY"), ("s3:///x", KEYS, "expected s3://BUCKET/KEY"),
            ("s3://a b/x", KEYS, "expected s3://BUCKET/KEY"), ("s3://models/a", {**KEYS, "AWS_REGION": "x\r\ny"}, "expected keys of one line, and a region"),
            ("s3://models/a", {**KEYS, "AWS_SECRET_ACCESS_KEY": "x\r\ny"}, "expected keys of one line, and a region"),
            ("s3://models/a", {**KEYS, "AWS_REGION": "evil.com/"}, "expected keys of one line, and a region")):
        line = ask("--object", address, **more)[0]
        tally.check(words in line.get("error", "") and "secret" not in line["error"], address, str(line))
    line = ask("--object", "s3://models/a.safetensors", AWS_ENDPOINT_URL="http://example.invalid", **KEYS)[0]
    tally.check("expected https://, found http://example.invalid" in line.get("error", ""), "an endpoint without TLS", str(line))


try:
    fetching.run_all(globals())
finally:
    web.stop()
    shutil.rmtree(root)
tally.finish()
