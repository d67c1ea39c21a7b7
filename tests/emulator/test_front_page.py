"""``GET /`` of an emulator says what the emulator is, and gives the addresses of its own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from odyssey_proto import __version__
from odyssey_proto.emulator import watching
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from odyssey_proto.emulator import Emulator


def test_it_says_what_it_is_and_where(emulator: Emulator) -> None:
    url = emulator.api_url
    answer = requests.get(url, timeout=PATIENCE_S)
    assert answer.json() == {
        "service": "odyssey-emulator",
        "what": "An emulator of Odyssey, for tests and offline work. It is not the service.",
        "version": __version__,
        "api_url": url,
        "api_key": "any that begins with ody_",
        "codec": "both",
        "pictures": "512x64, 20 per second",
        "traffic": f"{url}/_emulator/traffic",
        "faults": f"{url}/_emulator/faults",
    }
    for place in ("traffic", "faults"):
        assert requests.get(answer.json()[place], timeout=PATIENCE_S).status_code == 200


def test_a_browser_gets_a_page(emulator: Emulator) -> None:
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    answer = requests.get(emulator.api_url, headers={"Accept": accept}, timeout=PATIENCE_S)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Vary"].startswith("Accept")
    assert "<h1>Odyssey emulator</h1>" in answer.text
    assert emulator.api_key not in answer.text
    assert f'Odyssey("ody_any_key", api_url="{emulator.api_url}")' in answer.text


def test_it_is_for_callers_of_this_machine_only(emulator: Emulator) -> None:
    answer = requests.get(emulator.api_url, headers={"Host": "evil.test"}, timeout=PATIENCE_S)
    assert answer.status_code == 403


def test_it_is_no_traffic(emulator: Emulator) -> None:
    seen: list[object] = []
    with watching(seen.append):
        requests.get(emulator.api_url, timeout=PATIENCE_S)
        requests.get(f"{emulator.api_url}/config", timeout=PATIENCE_S)
    assert [one.path for one in seen] == ["/config"]  # type: ignore[attr-defined]
