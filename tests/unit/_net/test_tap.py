"""The watchers of a tap: if several come and go at the same time, none is lost, and none stays."""

from __future__ import annotations

import sys
import threading

from odyssey_proto._net.tap import Tap

THREADS = 8
ROUNDS = 300


def test_watchers_that_come_and_go_at_once_do_not_take_others_along() -> None:
    tap = Tap()
    lost: list[int] = []

    def come_and_go(number: int) -> None:
        def watch(_: object) -> None:
            pass

        for _ in range(ROUNDS):
            tap.add(watch)
            if watch not in tap._of_text:
                lost.append(number)
            tap.remove(watch)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert lost == []
    assert not tap.shows_text
