"""Building newer peers, from sources made here: no network, no real allocator."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import List, Optional

import pytest

from harness.peers.locate import library
from harness.peers.recipes import RECIPES
from harness.peers.sources import upstream

PROJECT = Path(__file__).resolve().parents[3]

# Not for use: everything is cut from one array and nothing is taken back.
SOURCE = """
#include <stddef.h>
#include <string.h>
static _Alignas(16) char room[1 << 28];
static size_t used;
void* malloc(size_t n) {
  size_t at = __atomic_fetch_add(&used, ((n + 15) & ~(size_t)15) + 16, __ATOMIC_RELAXED);
  *(size_t*)(room + at) = n;
  return room + at + 16;
}
void free(void* p) { (void)p; }
void* calloc(size_t a, size_t b) { return malloc(a * b); }
void* realloc(void* p, size_t n) {
  void* q = malloc(n);
  if (p) { size_t old = ((size_t*)p)[-2]; memcpy(q, p, old < n ? old : n); }
  return q;
}
void* memalign(size_t a, size_t n) { char* p = malloc(n + a); return p + (a - (size_t)p % a) % a; }
void* aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void** p, size_t a, size_t n) { *p = memalign(a, n); return 0; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "upstream"
    (folder / "rpmalloc").mkdir(parents=True)
    (folder / "rpmalloc/rpmalloc.c").write_text(SOURCE)
    return folder


def peers(tmp_path: Path, *args: str, path: Optional[str] = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path or os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    env["GIT_CONFIG_GLOBAL"] = "/dev/null"
    return subprocess.run(
        ["./tools/peers", *args], cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
    )


def git(folder: Path, *args: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run(["git", *names, *args], cwd=folder, check=True, capture_output=True)


def test_a_tag_of_a_repository_is_built_and_its_option_printed(source: Path, tmp_path: Path) -> None:
    git(source, "init", "-q")
    git(source, "add", ".")
    git(source, "commit", "-q", "-m", "release")
    git(source, "tag", "1.4.5")
    done = peers(tmp_path, "rpmalloc", "--git", f"file://{source}")
    made = tmp_path / "cache/hz3-lab/peers/rpmalloc-1.4.5/lib.so"
    assert (done.returncode, done.stdout) == (0, f"--allocator rpmalloc-1.4.5={made}\n"), done.stderr
    record = json.loads((made.parent / "build.json").read_text())
    assert record["origin"].startswith("git tag 1.4.5, commit ") and len(record["sha256"]) == 64
    assert sorted(path.name for path in made.parents[1].iterdir()) == ["rpmalloc-1.4.5"]  # nothing half-made
    assert f"built: --allocator rpmalloc-1.4.5={made}" in peers(tmp_path, "--list").stdout
    missing = peers(tmp_path, "rpmalloc", "--version", "9.9", "--git", f"file://{source}")
    assert missing.returncode == 5 and "git cannot fetch 9.9" in missing.stderr


def test_what_is_built_is_not_built_again_unless_asked(source: Path, tmp_path: Path) -> None:
    assert peers(tmp_path, "rpmalloc", "--source", str(source)).returncode == 0
    made = tmp_path / "cache/hz3-lab/peers/rpmalloc-1.4.5/lib.so"
    before = made.read_bytes()
    (source / "rpmalloc/rpmalloc.c").write_text("#error broken\n")
    assert peers(tmp_path, "rpmalloc", "--source", str(source)).returncode == 0
    broken = peers(tmp_path, "rpmalloc", "--again", "--source", str(source))
    assert broken.returncode == 5 and "broken" in broken.stderr and "failed; are these installed: gcc?" in broken.stderr
    assert made.read_bytes() == before  # a failed build takes nothing away


def test_a_library_that_says_it_is_another_release_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "rpmalloc/rpmalloc.c").write_text(SOURCE + "int mi_version(void) { return 30105; }\n")
    done = peers(tmp_path, "rpmalloc", "--source", str(source))
    assert done.returncode == 5 and "the library says that it is 3.1.5" in done.stderr
    assert not list((tmp_path / "cache/hz3-lab/peers").iterdir())


def test_source_of_another_layout_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = peers(tmp_path, "rpmalloc", "--source", str(tmp_path / "empty"))
    assert done.returncode == 5 and "rpmalloc.c" in done.stderr
    done = peers(tmp_path, "rpmalloc", "--source", str(tmp_path / "nowhere"))
    assert done.returncode == 4 and "there is no such folder" in done.stderr


TARGETS = """\
Debian|bookworm-security|main|http://archive.invalid/debian-security/
Debian|bookworm|main|http://archive.invalid/debian/
Debian|bookworm|contrib|http://archive.invalid/debian/
Somebody|stable|main|http://elsewhere.invalid/
"""


def fake_apt(tmp_path: Path, offered: List[str], *, targets: str = TARGETS, updates: bool = True, fetches: bool = True, error: str = "E: no route") -> str:
    """A PATH on which apt offers these versions of the suite, and reaches its network or not; what it was
    asked to do stands in `asked`."""
    folder = tmp_path / "apt"
    folder.mkdir()
    lines = "".join(f"echo 'Version: {version}'\n" for version in offered)
    (folder / "apt-cache").write_text(f"#!/bin/sh\n{lines}")
    (tmp_path / "targets").write_text(targets)
    (folder / "apt-get").write_text(f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
case " $* " in
  *" indextargets "*) cat {tmp_path}/targets ;;
  *" update "*) {"exit 0" if updates else "echo 'E: no such suite' >&2; exit 100"} ;;
  *" source "*) {"mkdir jemalloc-5.3.1; echo x > jemalloc_5.3.1-2.dsc" if fetches else f"echo '{error}' >&2; exit 100"} ;;
esac
""")
    for name in ("cmake", "make"):
        (folder / name).write_text("#!/bin/sh\necho made nothing\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_suite_is_read_by_an_apt_of_our_own(tmp_path: Path) -> None:
    """Every command but the question where the archive is works in the cache, and knows only source packages."""
    peers(tmp_path, "mimalloc", "--suite", "testing", path=fake_apt(tmp_path, ["3.6.0+ds-1"]))
    root = tmp_path / "cache/hz3-lab/peers/apt/testing"
    told = (root / "suite.sources").read_text().splitlines()
    assert told[:4] == ["Types: deb-src", "URIs: http://archive.invalid/debian/", "Suites: testing", "Components: main"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line for line in asked if " source " in line] and [line for line in asked if " update " in line]
    for line in asked:
        if "indextargets" not in line:
            assert f"Dir::State::lists={root}/lists" in line and f"Dir::Etc::sourcelist={root}/suite.sources" in line
            assert "Acquire::AllowInsecureRepositories=false" in line and "install" not in line


def test_a_suite_without_the_version_says_what_it_offers(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, ["2.0.9+ds-2", "3.0.1+ds-2.1"]))
    assert done.returncode == 4 and "sid offers mimalloc 2.0.9+ds-2, 3.0.1+ds-2.1, not 3.6.0" in done.stderr


def test_a_suite_without_the_package_says_so(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, []))
    assert done.returncode == 4 and "sid has no source package mimalloc" in done.stderr and "--git URL" in done.stderr


def test_a_suite_that_is_none_is_told(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", "--suite", "sdi", path=fake_apt(tmp_path, [], updates=False))
    assert done.returncode == 5 and "cannot read the source packages of sdi" in done.stderr and "no such suite" in done.stderr
    done = peers(tmp_path, "mimalloc", "--suite", "a\nURIs: b")
    assert done.returncode == 4 and "write the name of a suite" in done.stderr


def test_a_system_whose_sources_name_no_archive_is_told(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, ["3.6.0-1"], targets="Somebody|x|main|http://elsewhere.invalid/\n"))
    assert done.returncode == 4 and "name no Debian archive" in done.stderr


def test_a_network_that_does_not_reach_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, ["3.6.0-1"], fetches=False))
    assert done.returncode == 5 and "is the network reached?" in done.stderr and "E: no route" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_listed_and_not_there_is_told(tmp_path: Path) -> None:
    """A mirror that lags behind its index, or keeps only some of it: the network is not to blame."""
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, ["3.6.0-1"], fetches=False, error="E: Failed to fetch x  404  Not Found"))
    assert done.returncode == 5 and "lists it and does not have it" in done.stderr and "network reached" not in done.stderr


def test_a_build_that_leaves_no_library_is_told(tmp_path: Path) -> None:
    done = peers(tmp_path, "mimalloc", path=fake_apt(tmp_path, ["3.6.0-1"]))
    assert done.returncode == 5 and "left no hz3-build/libmimalloc.so*" in done.stderr


def test_usage(tmp_path: Path) -> None:
    for args, words in (([], "name an allocator"), (["nedmalloc"], "there is no recipe for nedmalloc"), (["snmalloc"], "no Debian package")):
        done = peers(tmp_path, *args)
        assert done.returncode == 4 and words in done.stderr


@pytest.mark.parametrize(
    "full, plain", [("1:2.10-1+b2", "2.10"), ("3.0.1+ds-2.1", "3.0.1"), ("5.3.0-3", "5.3.0"), ("5.3.0~rc1-1", "5.3.0"), ("2.16", "2.16")]
)
def test_upstream_versions(full: str, plain: str) -> None:
    assert upstream(full) == plain


def test_recipes_name_no_host_and_pin_a_version() -> None:
    for recipe in RECIPES.values():
        assert recipe.version[0].isdigit() and "://" not in str(recipe)
        assert library(recipe.name, recipe.version).name == "lib.so"
