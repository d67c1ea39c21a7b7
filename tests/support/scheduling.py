"""Gives tests to workers as ``--dist loadgroup`` does, but in a time that does not grow with the number of tests.

After each test, pytest-xdist counts all that its worker has completed, and before each it searches the list of all
tests: with thousands of them, that takes more than a tenth of a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadGroupScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdist.workermanage import WorkerController

__all__ = ["GroupScheduling"]


class GroupScheduling(LoadGroupScheduling):
    """Forgets completed groups, and knows the place of each test."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        if node in self.registered_collections:
            self.registered_collections[node] = _Collection(self.registered_collections[node])

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        nodeid = self.registered_collections[node][item_index]
        scope = self._split_scope(nodeid)
        work = self.assigned_work[node]
        work[scope][nodeid] = True
        if all(work[scope].values()):
            del work[scope]
        self._reschedule(node)


class _Collection(list[str]):
    """A list of distinct test IDs with an ``index`` that takes constant time."""

    def __init__(self, nodeids: Sequence[str]) -> None:
        super().__init__(nodeids)
        self._places = {nodeid: place for place, nodeid in enumerate(nodeids)}

    def index(self, value: str, *_: Any) -> int:
        return self._places[value]
