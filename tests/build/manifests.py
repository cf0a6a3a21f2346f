"""The formula for Homebrew and the manifest for winget of a release: Ruby and YAML read them, they have the fields that both
want, and name archives that are there, by their digests. `make check-release` runs this.

Suite: release
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import zipfile

from documents import read
from tally import BUILD, Tally

tally = Tally()
ARTEFACTS = f"{BUILD}/release/artefacts"
# What Homebrew does with a formula, as far as this one uses it: prints what a machine would download.
HOMEBREW = """
class Formula
  class << self
    %w[desc homepage version license].each { |word| define_method(word) { |value| puts "#{word} #{value}" } }
    def on(kind) = $machine.include?(kind) && yield
    def on_macos(&block) = on(:macos, &block)
    def on_linux(&block) = on(:linux, &block)
    def on_arm(&block) = on(:arm, &block)
    def on_intel(&block) = on(:intel, &block)
    def url(value) = puts("url #{value}")
    def sha256(value) = puts("sha256 #{value}")
    def test(&block) = nil
  end
end
$machine = ARGV[1..].map(&:to_sym)
load ARGV[0]
abort "no install" unless SqliteSafetensors.method_defined?(:install)
"""
# The fields that schema 1.6.0 of winget's manifests requires, and the form of some.
REQUIRED = {
    "version": {"PackageIdentifier", "PackageVersion", "DefaultLocale", "ManifestType", "ManifestVersion"},
    "installer": {"PackageIdentifier", "PackageVersion", "Installers", "ManifestType", "ManifestVersion"},
    "defaultLocale": {"PackageIdentifier", "PackageVersion", "PackageLocale", "Publisher", "PackageName", "License",
                      "ShortDescription", "ManifestType", "ManifestVersion"},
}
FORMS = {
    "PackageIdentifier": r"[^.\s\\/:*?\"<>|\x01-\x1f]{1,32}(\.[^.\s\\/:*?\"<>|\x01-\x1f]{1,32}){1,7}",
    "PackageVersion": r"[^\\/:*?\"<>|\x01-\x1f]{1,128}",
    "InstallerUrl": r"https?://.+",
    "InstallerSha256": r"[A-Fa-f0-9]{64}",
    "Architecture": "x86|x64|arm|arm64|neutral",
    "InstallerType": "msix|msi|appx|exe|zip|inno|nullsoft|wix|burn|pwa|portable",
    "ShortDescription": ".{3,256}",
}


def digest(url):
    """Of the archive that the address ends in, which must be there."""
    with open(os.path.join(ARTEFACTS, url.rsplit("/", 1)[-1]), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_formula():
    path = f"{ARTEFACTS}/homebrew/sqlite-safetensors.rb"
    if not shutil.which("ruby"):
        print("skipped: the formula (ruby is not installed)")
        return
    for system, cpu, wanted in (("macos", "arm", "macos-aarch64"), ("macos", "intel", "macos-x86_64"),
                                ("linux", "arm", "linux-aarch64"), ("linux", "intel", "linux-x86_64")):
        done = subprocess.run(["ruby", "-w", "-e", HOMEBREW, path, system, cpu], capture_output=True, text=True, check=False)
        said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        tally.equal((done.returncode, done.stderr, done.stdout.count("url ")), (0, "", 1), f"the formula on {system}, {cpu}")
        tally.check(said["url"].endswith(f"-{said['version']}-{wanted}.tar.gz"), f"the archive for {system}, {cpu}", said)
        tally.equal(said["sha256"], digest(said["url"]), f"the digest for {system}, {cpu}")


def check_forms(node):
    """The fields of known forms, at any depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in FORMS:
                tally.check(re.fullmatch(FORMS[name], str(value)), f"{name} {value!r}")
            check_forms(value)
    elif isinstance(node, list):
        for value in node:
            check_forms(value)


def check_winget():
    try:
        import yaml
    except ImportError:
        print("skipped: the manifest for winget (python3-yaml is not installed)")
        return
    found = {}
    for path in glob.glob(f"{ARTEFACTS}/winget/*.yaml"):
        manifest = yaml.safe_load(read(path))
        check_forms(manifest)
        found[manifest["ManifestType"]] = manifest
        suffix = {"version": "", "installer": ".installer", "defaultLocale": ".locale.en-US"}[manifest["ManifestType"]]
        tally.equal(os.path.basename(path), f"{manifest['PackageIdentifier']}{suffix}.yaml", "the manifest's name")
    tally.equal(set(found), set(REQUIRED), "the three manifests")
    for kind, manifest in found.items():
        tally.check(REQUIRED[kind] <= set(manifest), f"what the {kind} manifest must have", manifest)
    tally.equal(len({(manifest["PackageIdentifier"], manifest["PackageVersion"]) for manifest in found.values()}), 1,
                "all are about one version")
    installers = found["installer"]["Installers"]
    tally.equal([installer["Architecture"] for installer in installers], ["x64", "arm64"], "the machines of winget")
    for installer in installers:
        url = installer["InstallerUrl"]
        tally.equal(installer["InstallerSha256"], digest(url), url)
        program = installer["NestedInstallerFiles"][0]["RelativeFilePath"].replace("\\", "/")
        with zipfile.ZipFile(os.path.join(ARTEFACTS, url.rsplit("/", 1)[-1])) as archive:
            tally.check(program in archive.namelist(), f"{program} is in {url}")


def check_hub_extension():
    """A package without modules, whose one dependency is the release's wheel."""
    made, template = read(f"{ARTEFACTS}/hf/pyproject.toml"), read(".package/hf/pyproject.toml")
    version = re.search(r"-(\d[\w.]*)\.crate$", " ".join(glob.glob(f"{ARTEFACTS}/*.crate")))[1]
    tally.check(f'dependencies = ["sqlite-safetensors=={version}"]' in made and "@" not in made, "the package for hf", made)
    tally.check("hf-safetensors-sql" in template and glob.glob(f"{ARTEFACTS}/sqlite_safetensors-{version}-*.whl"), "and its wheel")


def main():
    if not os.path.isdir(ARTEFACTS):
        print("skipped: formula and manifest (there is no release: make release)")
    else:
        check_formula()
        check_winget()
        check_hub_extension()
    tally.finish()


if __name__ == "__main__":
    main()
