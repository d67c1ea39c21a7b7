"""Simulation scripts: turning the user's script into the request body, checked before anything is sent.

Entries are the documented dicts or the wire models; every error names the entry. Images in them become data URLs,
and unknown fields are sent unchanged. How the service runs a script is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import odyssey_models as wire

from .._base import arguments
from .._base.errors import OdysseyConfigError
from .._model import codec

if TYPE_CHECKING:
    from .._model.script import Script

__all__ = ["simulation_request"]

_ACTIONS: Final = ("start", "interact", "end")
_FARTHEST_MS: Final = 2**53
"""From this value on, not every JSON reader is exact."""


def simulation_request(
    *,
    script: Script | None = None,
    scripts: Sequence[Script] | None = None,
    script_url: str | None = None,
    portrait: bool = True,
    bypass_prompt_expansion: bool | None = None,
) -> dict[str, Any]:
    """Return the body of ``POST /simulation-jobs``, as JSON-ready data.

    Raises:
        TypeError: an argument is of the wrong type.
        OdysseyConfigError: not exactly one of ``script``, ``scripts`` and ``script_url`` was given, or a script is
            not valid; the text names the entry, such as ``script[2]`` or ``scripts[0][2]``.
        MissingExtraError: an image needs a package that is not installed.

    >>> simulation_request(script=[{"timestamp_ms": 0, "interact": {"prompt": "It runs"}}])
    Traceback (most recent call last):
    odyssey_proto.OdysseyConfigError: script[0]: interact without a stream; start one first
    """
    arguments.flag("portrait", portrait)
    if bypass_prompt_expansion is not None:
        arguments.flag("bypass_prompt_expansion", bypass_prompt_expansion)
    if sum(given is not None for given in (script, scripts, script_url)) != 1:
        raise OdysseyConfigError("Give exactly one of script, scripts and script_url", code="invalid_script")
    body: dict[str, Any] = {"portrait": portrait, "output_video": True}
    if bypass_prompt_expansion is not None:
        body["bypass_vlm_expansion"] = bypass_prompt_expansion
    if script is not None:
        body["script"] = _script(script, "script", portrait)
    elif scripts is not None:
        body["scripts"] = _scripts(scripts, portrait)
    else:
        body["script_url"] = _address(script_url)
    return body


def _scripts(scripts: Any, portrait: bool) -> list[list[dict[str, Any]]]:
    _check_list(scripts, "scripts", "scripts")
    return [_script(script, f"scripts[{index}]", portrait) for index, script in enumerate(scripts)]


def _script(script: Any, name: str, portrait: bool) -> list[dict[str, Any]]:
    _check_list(script, name, "entries")
    entries: list[dict[str, Any]] = []
    running, now = False, 0.0
    for index, given in enumerate(script):
        where = f"{name}[{index}]"
        entry = _entry(given, where, portrait)
        if entry["timestamp_ms"] < now:
            raise _wrong(where, f"timestamp_ms goes back from {now} to {entry['timestamp_ms']}")
        now = entry["timestamp_ms"]
        if "start" in entry:
            if running:
                raise _wrong(where, "a stream is running already; end it first")
            running = True
        elif not running and ("interact" in entry or "end" in entry):
            action = "interact" if "interact" in entry else "end"
            raise _wrong(where, f"{action} without a stream; start one first")
        elif "end" in entry:
            running = False
        entries.append(entry)
    return entries


def _entry(given: Any, where: str, portrait: bool) -> dict[str, Any]:
    data = _mapping(codec.to_dict(given) if isinstance(given, wire.ScriptEntry) else given, where)
    actions = [action for action in _ACTIONS if data.get(action) is not None]
    is_unknown = not actions and data.keys() - {"timestamp_ms", *_ACTIONS}
    if len(actions) != 1 and not is_unknown:
        raise _wrong(where, f"exactly one of start, interact and end is needed, not {len(actions)}")
    entry: dict[str, Any] = {"timestamp_ms": _timestamp(data, where)}
    for key, value in data.items():
        if key in actions:
            entry[key] = _action(key, value, f"{where}.{key}", portrait)
        elif key not in ("timestamp_ms", *_ACTIONS):
            entry[key] = _unknown(key, value, where)
    return entry


def _action(action: str, given: Any, where: str, portrait: bool) -> dict[str, Any]:
    data = _mapping(given, where)
    body: dict[str, Any] = {} if action == "end" else {"prompt": _prompt(data, where)}
    for key, value in data.items():
        if action == "start" and key == "image":
            if value is not None:
                body[key] = _image(value, f"{where}.image", portrait)
        elif key not in body:
            body[key] = _unknown(key, value, where)
    return body


def _unknown(key: Any, value: Any, where: str) -> Any:
    """Return the value of a field that a newer service may know, as it will be sent."""
    try:
        text = json.dumps({key: value}, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise _wrong(where, f"{str(key)[:40]!r} cannot be sent as JSON") from None
    ((name, sent),) = json.loads(text).items()
    if name != key:
        raise _wrong(where, f"the key {str(key)[:40]!r} is not a string")
    return sent


def _timestamp(data: Mapping[str, Any], where: str) -> float:
    at = data.get("timestamp_ms")
    if at is None:
        raise _wrong(where, "timestamp_ms is missing")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise _wrong(where, f"timestamp_ms must be a number, not {type(at).__name__}")
    if not 0 <= at < _FARTHEST_MS:
        raise _wrong(where, "timestamp_ms must be 0 or more ms")
    return float(at) if isinstance(at, float) else int(at)


def _prompt(body: Mapping[str, Any], where: str) -> str:
    prompt = body.get("prompt")
    if prompt is None:
        raise _wrong(where, "prompt is missing")
    if not isinstance(prompt, str):
        raise _wrong(where, f"prompt must be a string, not {type(prompt).__name__}")
    if not prompt.isascii():
        try:
            prompt.encode()
        except UnicodeError:
            raise _wrong(where, "prompt contains a lone surrogate") from None
    return str(prompt)


def _image(image: Any, where: str, portrait: bool) -> str:
    from .._video.images import to_data_url  # only scripts with images need Pillow

    try:
        return to_data_url(image, portrait=portrait)
    except OdysseyConfigError as exc:
        raise OdysseyConfigError(f"{where}: {exc.message}", code=exc.code) from exc.__cause__
    except TypeError as exc:
        raise OdysseyConfigError(f"{where}: {exc}", code="image_invalid") from None


def _address(url: Any) -> str:
    if not isinstance(url, str):
        raise TypeError(f"script_url must be a string, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise OdysseyConfigError("script_url must be the http or https address of a script", code="invalid_script")
    return str(url)


def _check_list(value: Any, name: str, of: str) -> None:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of {of}, not {type(value).__name__}")
    if not value:
        raise _wrong(name, f"it has no {of}")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where, f"it must be a dict, not {type(value).__name__}")
    return value


def _wrong(where: str, problem: str) -> OdysseyConfigError:
    return OdysseyConfigError(f"{where}: {problem}", code="invalid_script")
