"""An object store that speaks S3 on loopback: ListObjectsV2, two objects on a page, and GET with ranges. It verifies
signatures as the documentation of Amazon describes them ("Create a signed AWS API request"), and says what is wrong."""

import hashlib
import hmac
import re
import urllib.parse
from xml.sax.saxutils import escape

from web_server import Handler, Server

KEYS = {"AKTEST": "secret/+key"}


def signed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Store(Handler):
    """Objects of `web.files`, in the bucket `models`; those of the bucket `public` need no signature."""

    def fail(self, status, code, message):
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.reply(status, {"Content-Type": "application/xml"}, body.encode())

    def expected_signature(self, secret, scope, names):
        path, _, query = self.path.partition("?")
        parameters = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical = "&".join(f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for name, value in parameters)
        headers = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in names)
        request = "\n".join([self.command, path, canonical, headers, ";".join(names), self.headers["x-amz-content-sha256"]])
        day, region, service, end = scope.split("/")
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
        key = signed(signed(signed(signed(("AWS4" + secret).encode(), day), region), service), end)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def is_signed(self):
        """Whether the request may go on; else the answer is given."""
        header = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)",
                              self.headers.get("Authorization") or "")
        if not header:
            return self.fail(403, "AccessDenied", "Access Denied")
        identity, scope, names, signature = header[1], header[2], header[3].split(";"), header[4]
        if identity not in KEYS:
            return self.fail(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if "host" not in names or any(name.lower().startswith("x-amz-") and name.lower() not in names for name in self.headers):
            return self.fail(403, "AccessDenied", "There were headers present in the request which were not signed")
        if signature != self.expected_signature(KEYS[identity], scope, names):
            return self.fail(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
        if self.web.token and self.headers.get("X-Amz-Security-Token") != self.web.token:
            return self.fail(403, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        return True

    def list_objects(self, bucket, query):
        prefix, start = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        names = sorted(name for name in self.web.files if name.startswith(prefix) and name > start)
        page, more = names[:2], len(names) > 2
        rows = "".join(f"<Contents><Key>{escape(urllib.parse.quote(name))}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                       f"<ETag>&quot;{hashlib.md5(self.web.files[name]).hexdigest()}&quot;</ETag><Size>{len(self.web.files[name])}</Size>"
                       "</Contents>" for name in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self.reply(200, {"Content-Type": "application/xml"},
                   f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
                   f"<Prefix>{escape(prefix)}</Prefix><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>".encode())

    def answer(self, fault, name, path):
        bucket, _, key = path[1:].partition("/")
        if bucket not in ("models", "public"):
            return self.fail(404, "NoSuchBucket", "The specified bucket does not exist")
        if not (bucket == "public" and "Authorization" not in self.headers) and not self.is_signed():
            return None
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if not key:
            return self.list_objects(bucket, query)
        if key not in self.web.files:
            return self.fail(404, "NoSuchKey", "The specified key does not exist.")
        body = self.web.files[key]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.headers.get("If-Match", etag) != etag:
            return self.fail(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        if self.headers.get("If-None-Match") == etag:
            return self.reply(304, {"ETag": etag})
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not asked:
            return self.reply(200, {"ETag": etag}, body)
        first, last = int(asked[1]), min(int(asked[2]), len(body) - 1)
        return self.reply(206, {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first:last + 1])


class StoreWeb:
    """The server, with `files` by key. With a `token` it wants X-Amz-Security-Token to be that."""

    def __init__(self, files, token=None, delay=0):
        import threading  # pylint: disable=import-outside-toplevel
        self.files, self.token, self.delay, self.log = files, token, delay, []
        self.server = Server(("127.0.0.1", 0), type("Store", (Store,), {"web": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
