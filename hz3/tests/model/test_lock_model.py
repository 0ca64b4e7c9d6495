"""Every interleaving of the lock of src/os/lock.hpp, for two and three threads.

The lock is a handful of atomic steps on one word, plus the kernel's futex, so its whole state space
can be walked. A state is the word and where each thread stands; a step is one atomic operation or
one system call, as in the C++ (the line of code stands beside each step). FUTEX_WAIT is atomic with
its comparison, FUTEX_WAKE wakes one sleeper, and a sleeper may also wake for no reason.

Checked: at most one thread is inside; nobody sleeps for ever, that is, from every state a state with
all threads done can be reached and no state without a next step exists before that. Two broken
locks show that the checks can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

FREE, HELD, CONTENDED = 0, 1, 2
State = tuple[int, tuple[str, ...]]
Step = Callable[[int, str], Iterator[tuple[int, str, bool]]]


def correct(word: int, at: str) -> Iterator[tuple[int, str, bool]]:
    """Next (word, place, wakes a sleeper) of a thread that stands at `at`."""
    if at == "start":  # compare_exchange_strong(kFree, kHeld)
        yield (HELD, "inside", False) if word == FREE else (word, "spin", False)
    elif at == "spin":  # compare_exchange_weak, or the spins are used up
        if word == FREE:
            yield HELD, "inside", False
        yield word, "slow", False
    elif at == "slow":  # exchange(kContended)
        yield CONTENDED, "inside" if word == FREE else "wait", False
    elif at == "wait":  # FUTEX_WAIT: sleeps only if the word is still kContended
        yield word, "asleep" if word == CONTENDED else "slow", False
    elif at == "asleep":  # a spurious wake-up
        yield word, "slow", False
    elif at == "inside":  # exchange(kFree)
        yield FREE, "wake" if word == CONTENDED else "done", False
    elif at == "wake":  # FUTEX_WAKE of one
        yield word, "done", True


def without_spurious_wakes(word: int, at: str) -> Iterator[tuple[int, str, bool]]:
    if at != "asleep":
        yield from correct(word, at)


def forgets_to_mark(word: int, at: str) -> Iterator[tuple[int, str, bool]]:
    """Broken: a thread that slept takes the lock as merely held and so hides the other sleepers."""
    if at == "slow":
        yield (HELD, "inside", False) if word == FREE else (CONTENDED, "wait", False)
    elif at != "asleep":  # no spurious wake-ups, which would paper over the loss
        yield from correct(word, at)


def looks_then_takes(word: int, at: str) -> Iterator[tuple[int, str, bool]]:
    """Broken: looks and takes in two steps."""
    if at == "start":
        yield word, "set" if word == FREE else "spin", False
    elif at == "set":
        yield HELD, "inside", False
    else:
        yield from correct(word, at)


def successors(state: State, step: Step) -> Iterator[State]:
    word, places = state
    for i, at in enumerate(places):
        for new_word, new_at, wakes in step(word, at):
            moved = places[:i] + (new_at,) + places[i + 1:]
            sleepers = [j for j, place in enumerate(moved) if place == "asleep"] if wakes else []
            if not sleepers:
                yield new_word, moved
            for j in sleepers:
                yield new_word, moved[:j] + ("slow",) + moved[j + 1:]


def explore(threads: int, step: Step) -> tuple[set[State], list[str]]:
    start: State = (FREE, ("start",) * threads)
    seen, todo, faults = {start}, [start], []
    edges: dict[State, list[State]] = {}
    while todo:
        state = todo.pop()
        edges[state] = list(successors(state, step))
        if sum(at == "inside" for at in state[1]) > 1:
            faults.append(f"two inside: {state}")
        if not edges[state] and any(at != "done" for at in state[1]):
            faults.append(f"stuck: {state}")
        for following in edges[state]:
            if following not in seen:
                seen.add(following)
                todo.append(following)
    finishing = {state for state in seen if all(at == "done" for at in state[1])}
    grown = True
    while grown:
        more = {state for state in seen - finishing if any(n in finishing for n in edges[state])}
        finishing |= more
        grown = bool(more)
    faults += [f"cannot finish: {state}" for state in seen - finishing]
    return seen, faults


@pytest.mark.parametrize("threads", [2, 3])
def test_one_holder_and_no_forgotten_sleeper(threads: int) -> None:
    seen, faults = explore(threads, correct)
    assert faults == []
    assert explore(threads, without_spurious_wakes)[1] == [], "no sleeper depends on luck"
    assert any(sum(at == "asleep" for at in places) == threads - 1 for _, places in seen), "all cases were met"


def test_a_lock_that_forgets_sleepers_is_found() -> None:
    assert any(fault.startswith(("stuck", "cannot")) for fault in explore(3, forgets_to_mark)[1])


def test_a_lock_that_looks_then_takes_is_found() -> None:
    assert any(fault.startswith("two inside") for fault in explore(2, looks_then_takes)[1])
