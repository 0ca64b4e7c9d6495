"""How newer releases of reference allocators are built from source: one row a release.

A version stands here so that two people who say `mimalloc` mean the same release; `--version` names
another one at one's own risk. No address stands here: sources come from the archive that the machine's
package sources name, or from a repository or folder the person names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

Step = Tuple[str, ...]

# The suite of Debian's archive that has the newest of everything.
SUITE = "sid"


@dataclass(frozen=True)
class Recipe:
    """`tag` is the upstream tag of a {version}, `debian` the name of Debian's source package (None:
    there is none), `needs` are packages for building, `steps` run inside the source, with {version} and
    {jobs} filled in, `product` is a pattern for the library they leave, of which the longest name is the real file."""

    name: str
    version: str
    tag: str
    debian: Optional[str]
    needs: Tuple[str, ...]
    steps: Tuple[Step, ...]
    product: str


_AUTOTOOLS: Step = ("sh", "-c", "test -x configure || ./autogen.sh")
_CMAKE: Step = ("cmake", "-S", ".", "-B", "hz3-build", "-DCMAKE_BUILD_TYPE=Release")


def _mimalloc(name: str, version: str, debian: Optional[str]) -> Recipe:
    configure = (*_CMAKE, "-DMI_BUILD_TESTS=OFF", "-DMI_BUILD_STATIC=OFF", "-DMI_BUILD_OBJECT=OFF")
    return Recipe(
        name, version, "v{version}", debian, ("cmake", "g++", "make"),
        (configure, ("cmake", "--build", "hz3-build", "-j", "{jobs}")), "hz3-build/libmimalloc.so*",
    )  # fmt: skip


RECIPES: Dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _mimalloc("mimalloc", "3.6.0", "mimalloc"),
        _mimalloc("mimalloc2", "2.2.4", None),
        Recipe(
            "jemalloc", "5.3.1", "{version}", "jemalloc", ("autoconf", "gcc", "make"),
            (
                # Packagers leave out the file without which it does not know what it is.
                ("sh", "-c", "test -f VERSION || echo {version}-0-g0 > VERSION"),
                _AUTOTOOLS,
                ("./configure", "--disable-doc"),
                ("make", "-j", "{jobs}", "build_lib_shared"),
            ),
            "lib/libjemalloc.so*",
        ),
        Recipe(
            "gperftools", "2.18.1", "gperftools-{version}", "google-perftools", ("autoconf", "automake", "libtool", "g++", "make"),
            (
                _AUTOTOOLS,
                ("./configure", "--enable-minimal", "--disable-static"),
                ("make", "-j", "{jobs}", "libtcmalloc_minimal.la"),
            ),
            ".libs/libtcmalloc_minimal.so*",
        ),
        Recipe(
            "rpmalloc", "1.4.5", "{version}", None, ("gcc",),
            (
                (
                    "gcc", "-O3", "-fPIC", "-shared", "-std=gnu11", "-pthread", "-DENABLE_PRELOAD=1", "-DENABLE_OVERRIDE=1",
                    "-o", "librpmalloc.so", "rpmalloc/rpmalloc.c", "-ldl",
                ),
            ),
            "librpmalloc.so",
        ),
        Recipe(
            "snmalloc", "0.7.1", "{version}", None, ("cmake", "g++", "make"),
            ((*_CMAKE, "-DSNMALLOC_BUILD_TESTING=OFF"), ("cmake", "--build", "hz3-build", "-j", "{jobs}", "--target", "snmallocshim")),
            "hz3-build/libsnmallocshim.so*",
        ),
    )
}  # fmt: skip
