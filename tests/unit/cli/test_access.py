"""The service that a command calls, and where the key for it comes from."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from odyssey_proto import OdysseyAuthError
from odyssey_proto.cli._access import Access, hidden_prompt, secret_from

if TYPE_CHECKING:
    from pathlib import Path


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def access(**options: Any) -> Access:
    usual: dict[str, Any] = {"api_url": "http://127.0.0.1:9", "api_key_file": None, "emulator": False}
    return Access(timeout=3, debug=False, **(usual | options))


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("ody_from_stdin\n"))


def test_the_key_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("\ufeffody_from_file\n", "utf-8")
    with access(api_key_file=file).client() as client:
        assert client.config.api_key == "ody_from_file"
        assert (client.config.api_url, client.config.timeout) == ("http://127.0.0.1:9", 3)


def test_the_key_comes_from_stdin(tmp_path: Path) -> None:
    with access(api_key_file="-").client() as client:
        assert client.config.api_key == "ody_from_stdin"


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_from_environment")
    with access().client() as client:
        assert client.config.api_key == "ody_from_environment"


def test_somebody_at_a_terminal_is_asked_for_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: " ody_typed ")
    with access().client() as client:
        assert client.config.api_key == "ody_typed"


def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    assert hidden_prompt("API key") is None
    with pytest.raises(OdysseyAuthError, match=r"set ODYSSEY_API_KEY, or use --api-key-file FILE; --emulator"):
        access().client().__enter__()


def test_what_needs_no_key_asks_for_none() -> None:
    with access().client(needs_key=False) as client:
        assert client.config.api_key is None


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not text"), (None, "No such file")],
)
def test_a_file_without_a_key_is_refused(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.UsageError, match=rf"^--api-key-file: .*{why}"):
        secret_from(file, "--api-key-file")


@pytest.mark.parametrize("other", [{"api_url": "http://x"}, {"api_url": None, "api_key_file": "key"}])
def test_an_emulator_of_its_own_has_no_other_address_and_key(other: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError, match="--emulator starts a service of its own; leave out --api-"):
        access(emulator=True, **other)
