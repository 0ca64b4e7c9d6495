"""References: presets by version, and settings that must be shown to be in force. The four peers are
packages of the lab, so they are asked for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.peers.catalogue import FAMILIES, PEERS, Peer, family_of, preset_env
from harness.peers.locate import Given, find, find_or_tell, library, parse_allocator
from harness.peers.proof import prove
from harness.peers.recipes import RECIPES
from harness.peers.resolve import resolve, version_tuple


@pytest.mark.parametrize(
    "version, names",
    [
        ((2, 0, 6), {"MIMALLOC_DECOMMIT_DELAY", "MIMALLOC_SEGMENT_DECOMMIT_DELAY"}),
        ((2, 0, 9), {"MIMALLOC_DECOMMIT_DELAY", "MIMALLOC_SEGMENT_DECOMMIT_DELAY"}),
        ((2, 1), {"MIMALLOC_PURGE_DELAY"}),
        ((2, 1, 7), {"MIMALLOC_PURGE_DELAY"}),
        ((3, 0, 1), {"MIMALLOC_PURGE_DELAY"}),
    ],
)
def test_purge_now_of_mimalloc_is_of_its_version(version: tuple[int, ...], names: set[str]) -> None:
    env = preset_env(FAMILIES["mimalloc"], "purge-now", version, "x")
    assert set(env) == names
    assert set(env.values()) == {"0"}


def test_a_preset_of_no_version_or_no_name() -> None:
    with pytest.raises(UserError, match="preset purge-now of jemalloc is not known for version 4.5.0"):
        preset_env(FAMILIES["jemalloc"], "purge-now", (4, 5, 0), "4.5.0")
    with pytest.raises(UserError, match="glibc has no preset 'purge-now'; known are stock"):
        preset_env(FAMILIES["glibc"], "purge-now", (2, 36), "2.36")
    assert preset_env(FAMILIES["other"], "stock", (0,), "unknown") == {}


@pytest.mark.parametrize("text, numbers", [("5.3.0-0-g54ea", (5, 3, 0)), ("2.10", (2, 10)), ("libfoo.so.1", (0,)), ("", (0,))])
def test_version_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_tuple(text) == numbers


def test_families_by_symbol() -> None:
    assert family_of(frozenset({"malloc", "mi_version"})).name == "mimalloc"
    assert family_of(frozenset({"malloc", "mallctl"})).name == "jemalloc"
    assert family_of(frozenset({"malloc", "tc_version"})).name == "tcmalloc"
    assert family_of(frozenset({"malloc"})).name == "other"


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.files])
def test_every_peer_tells_its_version_and_its_purge_now_is_in_force(name: str) -> None:
    stock = resolve(name)
    assert stock.arm == name and stock.env == {} and stock.problem is None
    assert version_tuple(stock.version) > (0,)
    assert stock.version_by == FAMILIES[PEERS[name].family].symbol
    assert stock.path is not None and stock.sha256 is not None
    tuned = resolve(name, "purge-now")
    assert tuned.arm == f"{name}:purge-now"
    assert tuned.env and tuned.problem is None
    assert tuned.proof.startswith("read back ")


def test_glibc_is_not_preloaded() -> None:
    peer = resolve("glibc")
    assert peer.path is None and peer.sha256 is None and peer.problem is None
    assert version_tuple(peer.version) >= (2, 0)


def mimalloc() -> Path:
    path = find(PEERS["mimalloc"])
    assert path is not None
    return path


def test_a_setting_of_another_version_is_void() -> None:
    """The variable that every guide names; the version of Debian 12 ignores it without a word."""
    version = version_tuple(resolve("mimalloc").version)
    foreign = "MIMALLOC_PURGE_DELAY" if version < (2, 1) else "MIMALLOC_SEGMENT_DECOMMIT_DELAY"
    proof = prove(mimalloc(), FAMILIES["mimalloc"], {foreign: "0"})
    assert proof.problem is not None and f"{foreign} is not known to this version" in proof.problem


def test_a_misspelt_jemalloc_setting_is_void() -> None:
    library = find(PEERS["jemalloc"])
    assert library is not None
    proof = prove(library, FAMILIES["jemalloc"], {"MALLOC_CONF": "dirty_decay_mz:0,abort_conf:true"})
    assert proof.problem is not None and "it refuses MALLOC_CONF" in proof.problem
    proof = prove(library, FAMILIES["jemalloc"], {"JE_DIRTY": "0"})
    assert proof.problem is not None and "JE_DIRTY is no setting of jemalloc" in proof.problem


def test_a_setting_that_reads_back_otherwise_is_void() -> None:
    """gperftools takes 7 for false; only the value it gives back shows that."""
    library = find(PEERS["tcmalloc"])
    assert library is not None
    proof = prove(library, FAMILIES["tcmalloc"], {"TCMALLOC_AGGRESSIVE_DECOMMIT": "0"})
    assert proof.problem is None
    proof = prove(library, FAMILIES["tcmalloc"], {"TCMALLOC_AGGRESSIVE_DECOMMIT": "7"})
    assert proof.problem is not None and "reads back as 0" in proof.problem


def test_where_nothing_can_be_read_back_the_effect_decides() -> None:
    version = version_tuple(resolve("mimalloc").version)
    setting = preset_env(FAMILIES["mimalloc"], "purge-now", version, "")
    seen = prove(mimalloc(), FAMILIES["other"], setting)
    assert seen.problem is None and "of a 30 MB burst" in seen.shown
    unseen = prove(mimalloc(), FAMILIES["other"], {"MIMALLOC_NO_SUCH_SETTING": "0"})
    assert unseen.problem is not None and "has no visible effect" in unseen.problem


def test_a_missing_peer_names_its_package(tmp_path: Path) -> None:
    peer = Peer("gone", "other", ("libgone.so.1",), ("libgone1", "libgone1t64"))
    with pytest.raises(UserError) as caught:
        find_or_tell(peer, [tmp_path])
    assert caught.value.exit_status == 4
    assert "reference gone is not installed" in caught.value.message
    assert "sudo apt-get install libgone1 " in caught.value.message
    (tmp_path / "libgone.so.1").touch()
    assert find_or_tell(peer, [tmp_path]) == tmp_path / "libgone.so.1"


def test_a_library_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    """It needs a function that nobody has."""
    source = tmp_path / "bad.c"
    source.write_text("void nobody(void); void *malloc(unsigned long n) { nobody(); return 0; } void free(void *p) {}\n")
    target = tmp_path / "libbad.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-Wl,-z,now", "-o", str(target), str(source)], check=True)
    with pytest.raises(UserError, match="cannot be preloaded"):
        resolve("mine", given={"mine": Given(target)})


def test_a_given_library_goes_before_the_catalogue_and_keeps_its_family() -> None:
    peer = resolve("tcmalloc", "purge-now", {"tcmalloc": Given(mimalloc())})
    assert peer.family == "mimalloc" and peer.path == mimalloc()
    assert all(name.startswith("MIMALLOC_") for name in peer.env)


def test_allocator_option(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.touch()
    assert parse_allocator(f"mine-2={library}") == ("mine-2", Given(library))
    both = parse_allocator(f"mine={library},GLIBC_TUNABLES=glibc.pthread.rseq=0,MALLOC_CONF=a:0,b:1")
    assert both == ("mine", Given(library, {"GLIBC_TUNABLES": "glibc.pthread.rseq=0", "MALLOC_CONF": "a:0,b:1"}))
    for bad in ("mine", "=x", f"Mine={library}", f"a b={library}", f"glibc={library}", f"aa={library}", "x=/nowhere.so", f"x={library},LD_PRELOAD=y"):
        with pytest.raises(UserError):
            parse_allocator(bad)


def test_settings_of_an_allocator_are_read_back_too() -> None:
    """What a preset must prove, a person's own settings must: a misspelt one is void."""
    good = resolve("mine", given={"mine": Given(mimalloc(), {"MIMALLOC_SHOW_STATS": "0"})})
    assert good.problem is None and good.env == {"MIMALLOC_SHOW_STATS": "0"}
    bad = resolve("mine", given={"mine": Given(mimalloc(), {"MIMALLOC_NO_SUCH_THING": "0"})})
    assert bad.problem is not None and "MIMALLOC_NO_SUCH_THING is not known to this version" in bad.problem


def test_settings_of_the_c_library_are_read_back_from_it() -> None:
    seen = prove(mimalloc(), FAMILIES["mimalloc"], {"GLIBC_TUNABLES": "glibc.pthread.rseq=0:glibc.malloc.tcache_count=3"})
    assert seen.problem is None and "glibc.pthread.rseq=0" in seen.shown
    misspelt = prove(mimalloc(), FAMILIES["mimalloc"], {"GLIBC_TUNABLES": "glibc.pthread.rsek=0"})
    assert misspelt.problem is not None and "glibc.pthread.rsek is not known" in misspelt.problem


def test_a_library_that_needs_a_setting_is_void_without_it(tmp_path: Path) -> None:
    source = tmp_path / "google.c"
    source.write_text(
        "#include <stddef.h>\nextern void *__libc_malloc(size_t); extern void __libc_free(void *);\n"
        "void *malloc(size_t n) { return __libc_malloc(n); }\nvoid free(void *p) { __libc_free(p); }\n"
        "int MallocExtension_Internal_GetNumericProperty(void) { return 0; }\n"
    )
    library = tmp_path / "libgoogle.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", str(library), str(source)], check=True)
    bare = resolve("google", given={"google": Given(library)})
    assert bare.family == "google-tcmalloc"
    assert bare.problem is not None and f"--allocator google={library},GLIBC_TUNABLES=glibc.pthread.rseq=0" in bare.problem
    assert resolve("google", given={"google": Given(library, {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"})}).problem is None


def test_a_newest_release_that_is_not_built_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match="reference tcmalloc-newest is not built; tools/peers gperftools"):
        resolve("tcmalloc-newest")


def test_a_newest_release_has_the_presets_of_its_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release is stood in for by the system's; where it lies and what it may be is what is tested."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("mimalloc", "tcmalloc", "jemalloc"):
        peer, system = PEERS[f"{name}-newest"], find(PEERS[name])
        assert peer.built is not None and system is not None
        place = library(peer.built, RECIPES[peer.built].version)
        place.parent.mkdir(parents=True)
        place.symlink_to(system)
        for preset in ("stock", "purge-now"):
            found = resolve(peer.name, preset)
            assert found.problem is None and found.family == peer.family
