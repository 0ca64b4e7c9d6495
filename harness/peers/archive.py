"""Source packages of another suite of Debian's archive, from an apt of our own.

The archive is the one that the system's package sources name already; no address stands here. All that
apt writes (its list of sources, the index, the state) lies in a private folder of the cache, so neither
/etc nor the installed packages change, and nothing of the other suite can be installed by accident. The
folder knows source packages only. What apt fetches it checks, from the archive's signature down to each
file; an index without one is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List

from harness.errors import UserError, failed
from harness.process import run_process, tail

_UPDATE_S = 600.0
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUITE = r"[a-z][a-z0-9-]*"


@dataclass(frozen=True)
class Archive:
    """`options` make every apt command work in the private folder."""

    suite: str
    options: List[str]

    def offered(self, name: str) -> List[str]:
        """The versions of a source package, as apt lists them."""
        done = run_process(["apt-cache", *self.options, "showsrc", "--only-source", name], timeout_s=60)
        return re.findall(r"^Version: (\S+)$", done.stdout, re.MULTILINE)

    def fetch(self, name: str, full: str, into: Path) -> Path:
        """The unpacked source, its patches applied."""
        command = ["apt-get", *self.options, "source", "-q", "--only-source", f"{name}={full}"]
        done = run_process(command, cwd=into, timeout_s=_UPDATE_S)
        folders = sorted(path for path in into.iterdir() if path.is_dir())
        if done.status != 0 or len(folders) != 1:
            lost = "404" in done.stderr
            why = "the archive lists it and does not have it; try later, or another --suite" if lost else "is the network reached?"
            raise failed(f"apt-get cannot fetch the source of {name} {full}; {why}\n{tail(done.stderr or done.stdout)}")
        return folders[0]


def open_archive(suite: str, cache: Path) -> Archive:
    """An apt that knows the source packages of `suite`, its index up to date."""
    if re.fullmatch(_SUITE, suite) is None:
        raise UserError(f"--suite {suite}: write the name of a suite of Debian's archive, such as sid or testing")
    root = cache / "apt" / suite
    for folder in ("lists/partial", "archives/partial", "state"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    sources = root / "suite.sources"
    signed = f"Signed-By: {_KEYRING}\n" if _KEYRING.exists() else ""
    sources.write_text(f"Types: deb-src\nURIs: {archive_uri()}\nSuites: {suite}\nComponents: main\n{signed}", encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": str(sources),
        "Dir::Etc::sourceparts": "-",
        "Dir::State": str(root / "state"),
        "Dir::State::lists": str(root / "lists"),
        "Dir::Cache": str(root),
        "Acquire::AllowInsecureRepositories": "false",
        "APT::Get::AllowUnauthenticated": "false",
    }
    archive = Archive(suite, [word for name, value in settings.items() for word in ("-o", f"{name}={value}")])
    done = run_process(["apt-get", *archive.options, "update", "-q", "--error-on=any"], timeout_s=_UPDATE_S)
    if done.status != 0:
        raise failed(f"apt-get cannot read the source packages of {suite}; is it a suite of the archive, is the network reached?\n{tail(done.stderr)}")
    return archive


def archive_uri() -> str:
    """Where the system's own package sources find Debian's main archive."""
    form = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    done = run_process(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], timeout_s=60)
    for line in done.stdout.splitlines():
        origin, codename, component, uri = (line.split("|") + [""] * 4)[:4]
        # bookworm-security and bookworm-updates may lie elsewhere.
        if origin == "Debian" and component == "main" and codename.isalpha() and uri:
            return uri
    raise UserError(
        "the package sources of this system name no Debian archive, or were never read (apt-get update); give --git URL, or --source DIR"
    )
