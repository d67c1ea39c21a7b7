"""The exit status of the command: one for each kind of error that a script may want to react to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .._base.errors import OdysseyError

__all__ = ["INTERRUPTED", "KINDS", "of"]

INTERRUPTED: Final = 130

KINDS: Final = (
    (0, "done"),
    (1, "failed in another way: a file cannot be written, a package is missing, the job failed"),
    (2, "an argument or a setting is wrong; nothing was sent"),
    (3, "the key or the token is missing or was refused"),
    (4, "a limit of the account was reached"),
    (5, "the service cannot be reached, was lost, or did not answer in time"),
    (6, "the service refused the stream or the request, or ended it"),
    (7, "there is no such recording, job or broadcast"),
    (INTERRUPTED, "interrupted by Ctrl-C or a signal"),
)
"""Each exit status and its meaning."""

_BY_CODE: Final = {
    "cannot_listen": 1,  # the emulator's own address: no service is concerned
    "stream_not_found": 7,
    "duration_limit_reached": 4,  # that of a session, reported as its end
}
"""The exit statuses for some codes of errors, which take precedence over their classes."""


def of(error: OdysseyError) -> int:
    """Return the exit status for ``error``."""
    from .._base import errors  # not needed for the help

    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    match error:  # the first class that fits decides
        case errors.OdysseyConfigError() | errors.CassetteError():
            return 2
        case errors.OdysseyAuthError():
            return 3
        case errors.OdysseyUsageError():
            return 4
        case errors.OdysseyNotFoundError():
            return 7
        case errors.OdysseyConnectionError() | errors.OdysseyStreamTimeoutError():
            return 5
        case errors.OdysseyStreamError() | errors.OdysseyRequestError() | errors.NotCancellableError():
            return 6
    return 1
