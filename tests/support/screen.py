"""Where examples with OpenCV show their pictures: its headless build has no windows, and tests have no screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Screen"]


class Screen:
    """The functions of OpenCV's windows, under its names. It keeps what is shown, and somebody presses keys.

    Args:
        keys: after how many different pictures a key is pressed → which.
    """

    def __init__(self, keys: Mapping[int, str] | None = None) -> None:
        self.shown: list[NDArray[Any]] = []
        """The pictures, one after the other."""
        self.windows: set[str] = set()
        """Names of the windows that are open."""
        self._keys = sorted((keys or {}).items())

    def imshow(self, winname: str, mat: NDArray[Any]) -> None:
        """Show a picture in a window."""
        self.windows.add(winname)
        if not self.shown or self.shown[-1] is not mat:
            self.shown.append(mat)

    def waitKey(self, delay: int = 0) -> int:  # noqa: N802 - OpenCV's name
        """Return the code of the key that has been pressed; -1 where none was."""
        if self._keys and len(self.shown) >= self._keys[0][0]:
            return ord(self._keys.pop(0)[1])
        return -1

    def destroyAllWindows(self) -> None:  # noqa: N802 - OpenCV's name
        """Close all windows."""
        self.windows.clear()
