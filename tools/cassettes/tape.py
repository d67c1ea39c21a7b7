"""vcrpy between the client's own connections and the network: recording to a file, and playing it back.

The library's transport has its own connection pools, which this module registers with vcrpy; nothing below them is
replaced. While a cassette plays, a request that is not on it raises an error, and no connection is opened. The
content of a cassette comes from `tools.cassettes.scenes` and `tools.cassettes.scrub`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import urllib3
import vcr
import yaml
from vcr.record_mode import RecordMode
from vcr.stubs import VCRHTTPConnection, VCRHTTPSConnection

from odyssey_proto._net import sockets
from tools import yaml_text

from .scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FOLDER", "Tape", "playing", "recording"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "wire" / "cassettes"
"""The folder of the cassettes."""

_HEAD: Final = "# Written by `make cassettes`: not to be edited.\n"
_MATCHED: Final = ("method", "scheme", "host", "port", "path", "query", "body", "range")
_ONE_AT_A_TIME: Final = threading.RLock()  # vcrpy is not thread-safe, and regions are pinged on several threads


@attrs.frozen(kw_only=True)
class Tape:
    """A cassette as stored in its file: metadata and interactions."""

    recorded_from: str
    """``emulator`` or ``service``."""
    only_from_emulator: str | None
    """Why it is never recorded from the service; None if it is recorded from there whenever there is a key."""
    given: Mapping[str, str]
    """Ids of the objects that existed before the recording."""
    interactions: list[dict[str, Any]]
    """Each a ``request`` and a ``response``."""

    @classmethod
    def read(cls, path: Path) -> Tape:
        """Read a cassette."""
        data = yaml_text.parsed(path.read_text("utf-8"))
        return cls(**{field.name: data[field.name] for field in attrs.fields(cls)})


@contextlib.contextmanager
def playing(path: Path) -> Iterator[Any]:
    """Answer all requests from a cassette during the block, and yield vcrpy's `Cassette`."""
    scrubber = Scrubber()
    with _recorder(scrubber, RecordMode.NONE, _Serializer({})).use_cassette(str(path)) as cassette:
        yield cassette


@contextlib.contextmanager
def recording(path: Path, scrubber: Scrubber, said: Mapping[str, Any]) -> Iterator[None]:
    """Write all requests and answers to ``path``, with the metadata ``said`` at the head of the file."""
    with _recorder(scrubber, RecordMode.ALL, _Serializer(said)).use_cassette(str(path)):
        yield


def _recorder(scrubber: Scrubber, mode: RecordMode, serializer: _Serializer) -> Any:
    recorder = vcr.VCR(
        record_mode=mode,
        match_on=_MATCHED,
        before_record_request=scrubber.request,
        before_record_response=scrubber.answer,
        custom_patches=(
            (sockets._HttpPool, "ConnectionCls", _HttpConnection),
            (sockets._HttpsPool, "ConnectionCls", _HttpsConnection),
        ),
        serializer="tape",
    )
    recorder.register_serializer("tape", serializer)
    recorder.register_matcher("range", _same_range)
    return recorder


def _same_range(asked: Any, recorded: Any) -> None:
    for name in ("Range", "If-Range"):
        assert asked.headers.get(name) == recorded.headers.get(name), f"{name} differs"


# --- the connections


class _Between:
    """vcrpy's requests with urllib3's responses, because vcrpy's responses lack methods that downloads use."""

    _vcr_request: Any

    def getresponse(self, *_: Any, **__: Any) -> urllib3.HTTPResponse:
        with _ONE_AT_A_TIME:
            recorded = super().getresponse().recorded_response  # type: ignore[misc]  # vcrpy's follows in the MRO
        body = recorded["body"]["string"]
        headers = urllib3.HTTPHeaderDict({name: values[0] for name, values in recorded["headers"].items()})
        headers.discard("Content-Encoding")  # vcrpy has decompressed the body
        headers["Content-Length"] = str(len(body))
        return urllib3.HTTPResponse(
            io.BytesIO(body),
            headers,
            recorded["status"]["code"],
            reason=recorded["status"]["message"],
            preload_content=False,
            request_method=self._vcr_request.method,
        )


class _HttpConnection(_Between, VCRHTTPConnection, sockets.HttpConnection):  # type: ignore[misc]  # untyped base
    _baseclass = sockets.HttpConnection


class _HttpsConnection(_Between, VCRHTTPSConnection, sockets.HttpsConnection):  # type: ignore[misc]  # ditto
    _baseclass = sockets.HttpsConnection


# --- the file


class _Dumper(yaml.SafeDumper):
    """Writes YAML, with text of several lines as literal blocks."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


class _Serializer:
    """The file format, with vcrpy's interface for serializers."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = dict(said)

    def serialize(self, cassette: dict[str, Any]) -> str:
        data = {
            **self._said,
            "version": cassette["version"],
            "interactions": _in_order(cassette["interactions"]),
        }
        return _HEAD + yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)

    def deserialize(self, text: str) -> Any:
        return yaml_text.parsed(text)


def _in_order(interactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort concurrent requests, which are the pings, because their order is random."""
    runs = itertools.groupby(interactions, _is_anonymous_get)
    return [
        one
        for anonymous, run in runs
        for one in (sorted(run, key=lambda each: str(each["request"]["uri"])) if anonymous else run)
    ]


def _is_anonymous_get(interaction: dict[str, Any]) -> bool:
    request = interaction["request"]
    return request["method"] == "GET" and "Authorization" not in request["headers"]
