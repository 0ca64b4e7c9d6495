"""The environment a workload sees: nothing inherited, and of equal size in every arm.

The size of the environment moves the stack, and a moved stack changes speed by more than many
mechanisms do. So every arm of a block gets as many variables and as many bytes as every other, by
padding, and the total is varied from block to block.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from harness.errors import UserError

PAD = "HZ_PAD"

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_FIXED = {
    "PATH": SEARCH_PATH,
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/tmp",
}

# Set by the runner or by the arm; a lane that set them would change what is measured.
_RESERVED = ("LD_PRELOAD", "LD_AUDIT", "HZ_RESULT_FD", "HZ_PHASE_FD")


def lane_environment(extra: Mapping[str, str], scratch: str) -> Dict[str, str]:
    """What all arms of a lane have in common; `scratch` is a folder for the workload's own files."""
    for name in extra:
        if name in _RESERVED or name.startswith(PAD):
            raise UserError(f"env: {name} is set by the harness for every arm; remove it from the workload")
    return {**_FIXED, "TMPDIR": scratch, **extra}


def arm_environments(
    common: Mapping[str, str], settings: Mapping[str, Mapping[str, str]], preloads: Mapping[str, Optional[str]], pad: int
) -> Dict[str, Dict[str, str]]:
    """The complete environment by arm, LD_PRELOAD excepted, which the runner sets.

    `settings` are the arms' own variables. With LD_PRELOAD counted in, every arm has the same number
    of variables and bytes; `pad` bytes are added to all."""
    wanted = {arm: {**common, **settings[arm]} for arm in settings}
    counts = {arm: len(env) + (preloads[arm] is not None) for arm, env in wanted.items()}
    fillers = {arm: max(counts.values()) - counts[arm] for arm in wanted}
    for arm, env in wanted.items():
        env.update({f"{PAD}_{i}": "" for i in range(1, fillers[arm] + 1)})
    sizes = {arm: environment_bytes(env, preloads[arm]) for arm, env in wanted.items()}
    largest = max(sizes.values(), default=0)
    for arm, env in wanted.items():
        env[PAD] = "x" * (pad + largest - sizes[arm])
    return wanted


def environment_bytes(env: Mapping[str, str], preload: Optional[str]) -> int:
    """What the strings take on the stack of the new process."""
    full = {**env, **({} if preload is None else {"LD_PRELOAD": preload})}
    return sum(len(key.encode()) + len(value.encode()) + 2 for key, value in full.items())
