"""The weak set that several threads may use."""

from __future__ import annotations

import threading

from odyssey_proto._base.weak_set import ConcurrentWeakSet


class Thing:
    """An object that can be garbage-collected."""


def test_what_was_let_go_of_is_not_in_it() -> None:
    kept, living = Thing(), ConcurrentWeakSet[Thing]()
    living.add(kept)
    living.add(Thing())
    assert [*living] == [kept]


def test_it_can_be_looked_through_while_another_thread_fills_and_empties_it() -> None:
    living = ConcurrentWeakSet[Thing]()
    kept = [Thing() for _ in range(50)]
    for thing in kept:
        living.add(thing)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            others = [Thing() for _ in range(20)]
            for thing in others:
                living.add(thing)
            for thing in others[::2]:
                living.discard(thing)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(2000):
            assert set(kept) <= set(living)
    finally:
        done.set()
        changing.join()
