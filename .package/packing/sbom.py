"""The bill of materials, in SPDX's JSON: what is in the files of a release and what compiled them, with the versions and
digests that .package/versions pins."""

import json
import time

from . import project

# What each source is to a release, its licence, and its supplier.
SOURCES = {
    "sqlite": ("STATIC_LINK", "blessing", "Organization: SQLite Consortium"),
    "jansson": ("STATIC_LINK", "MIT", "Person: Petri Lehtinen"),
    "xxhash": ("STATIC_LINK", "BSD-2-Clause", "Person: Yann Collet"),
    "libmd": ("STATIC_LINK", "BSD-3-Clause", "Person: Guillem Jover"),
    "zig": ("BUILD_TOOL_OF", "MIT", "Organization: Zig Software Foundation"),
}
# What the compiler links in, from its own package, and so of its version.
FROM_COMPILER = {
    "compiler-rt": "MIT",
    "musl": "MIT",
    "glibc-startup": "LGPL-2.1-or-later",
    "mingw-w64": "ZPL-2.1",
    "freebsd-startup": "BSD-2-Clause",
}


def versions():
    """The rows of .package/versions: name, version, registry, package, sha256."""
    return [line.split() for line in project.read(".package", "versions").decode().splitlines()
            if line and not line.startswith("#")]


def purl(registry, package, name, version):
    if registry == "npm":
        return "pkg:npm/" + package.replace("@", "%40", 1) if package.startswith("@") else f"pkg:npm/{package}"
    if registry == "pypi":
        return f"pkg:pypi/{package.split('-')[0]}@{version}"
    return f"pkg:generic/{name}@{version}?file_name={package.rsplit('/', maxsplit=1)[-1]}"


def described(name, version, licence, supplier="NOASSERTION", number="", **more):
    return {"SPDXID": f"SPDXRef-{name}{number}", "name": name, "versionInfo": version, "supplier": supplier,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence,
            "licenseDeclared": licence, "copyrightText": "NOASSERTION", **more}


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def document():
    root = f"SPDXRef-{project.NAME}"
    packages = [described(project.NAME, project.version(), project.LICENCE)]
    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    for number, (name, version, registry, package, digest) in enumerate(versions()):
        kind, licence, supplier = SOURCES[name]
        packages.append(described(
            name, version, licence, supplier, f"-{number}", packageFileName=package.rsplit("/", maxsplit=1)[-1],
            checksums=[{"algorithm": "SHA256", "checksumValue": digest}],
            externalRefs=[{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                           "referenceLocator": purl(registry, package, name, version)}]))
        own = packages[-1]["SPDXID"]
        relations.append(relation(own, kind, root) if kind == "BUILD_TOOL_OF" else relation(root, kind, own))
    compiler = next(version for name, version, *_ in versions() if name == "zig")
    for name, licence in FROM_COMPILER.items():
        packages.append(described(name, f"zig-{compiler}", licence))
        relations.append(relation(root, "STATIC_LINK", packages[-1]["SPDXID"]))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(project.date()))
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"{project.NAME}-{project.version()}",
            "documentNamespace": f"https://spdx.org/spdxdocs/{project.NAME}-{project.version()}-{project.date()}",
            "creationInfo": {"created": created, "creators": [f"Tool: {project.NAME}"]},
            "packages": packages, "relationships": relations}


def text():
    return (json.dumps(document(), indent=1) + "\n").encode()
