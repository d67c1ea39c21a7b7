"""Versions and settings, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from odyssey_proto import __version__
from odyssey_proto._doctor.surroundings import surroundings

if TYPE_CHECKING:
    import pytest


def test_versions_and_settings_are_there_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pa55word@10.0.0.1:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://10.0.0.2")
    monkeypatch.setenv("http_proxy", "http://me:pa55#word@10.0.0.1")
    monkeypatch.setenv("NO_PROXY", "localhost,.example")
    monkeypatch.setenv("ODYSSEY_API_KEY", "ody_secret_1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Path.home() / "certs" / "ca.pem"))
    found = surroundings()
    assert found["odyssey_proto"] == __version__
    assert {"aiortc", "av", "requests"} <= found["packages"].keys()
    environment = found["environment"]
    assert environment["HTTPS_PROXY"] == "http://10.0.0.1:3128 (with a user and a password)"
    assert environment["ALL_PROXY"] == "socks5://10.0.0.2:1080"
    assert environment["http_proxy"] == "(not usable)"
    assert environment["NO_PROXY"] == "localhost,.example"
    assert environment["ODYSSEY_API_KEY"] == "(set)"
    assert environment["REQUESTS_CA_BUNDLE"] == "~/certs/ca.pem"
    shown = json.dumps(found)
    assert [secret for secret in ("pa55", "ody_secret", str(Path.home())) if secret in shown] == []
