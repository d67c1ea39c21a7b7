"""A screen for examples with OpenCV, whose headless build has no windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Screen"]


class Screen:
    """OpenCV's window functions, under the same names. It keeps the pictures shown, and simulates key presses.

    Args:
        keys: number of different pictures before a key press → the key.
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
        """Return the code of the pressed key; -1 if there was none."""
        if self._keys and len(self.shown) >= self._keys[0][0]:
            return ord(self._keys.pop(0)[1])
        return -1

    def destroyAllWindows(self) -> None:  # noqa: N802 - OpenCV's name
        """Close all windows."""
        self.windows.clear()
