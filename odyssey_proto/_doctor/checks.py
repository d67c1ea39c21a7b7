"""The checks of a whole examination, in their order, with their time limits."""

from __future__ import annotations

from typing import Final

from .examination import Check, Findings
from .ice import ask, check_servers, check_ways
from .media import check_codecs, check_round_trip
from .service import Patient

__all__ = ["checks_of", "local_checks"]

_API_S: Final = 12.0
_KEY_S: Final = 12.0
_REGIONS_S: Final = 6.0
_SESSION_S: Final = 20.0
_ICE_SERVERS_S: Final = 6.0
_CONNECTION_S: Final = 25.0
_ASKING_S: Final = 6.0
_CODECS_S: Final = 20.0
_EMULATOR_S: Final = 30.0
_AT_ONCE_S: Final = 10.0  # for checks that wait for nobody


def checks_of(patient: Patient, *, with_session: bool, timeout_s: float) -> list[Check]:
    """Return the checks of a service, and of this machine.

    Args:
        patient: the service.
        with_session: whether to request a session, without which there is no signaling.
        timeout_s: the longest time, in s, for any check that waits for a server.
    """

    def limited(limit_s: float) -> float:
        return min(limit_s, timeout_s)

    def ways() -> Findings:
        heard = ask(patient.ice_urls, limited(_ASKING_S))
        return [
            *check_servers(heard, is_connected=patient.is_connected),
            *check_ways(
                heard,
                api_url=patient.config.api_url,
                api_is_reached=None if patient.through_proxy else patient.is_reached,
                is_connected=patient.is_connected,
            ),
        ]

    api_s, key_s, regions_s = limited(_API_S), limited(_KEY_S), limited(_REGIONS_S)
    session_s, ice_servers_s, connection_s = limited(_SESSION_S), limited(_ICE_SERVERS_S), limited(_CONNECTION_S)
    of_session = [
        Check("session", session_s, lambda: patient.check_session(session_s)),
        Check("ICE servers", ice_servers_s, lambda: patient.check_ice_servers(ice_servers_s)),
        Check("connection", connection_s, lambda: patient.check_connection(connection_s)),
    ]
    return [
        Check("proxy", _AT_ONCE_S, patient.check_proxy),
        Check("API", api_s, lambda: patient.check_api(api_s)),
        Check("clock", _AT_ONCE_S, patient.check_clock),
        Check("key", key_s, lambda: patient.check_key(key_s)),
        Check("regions", regions_s, lambda: patient.check_regions(regions_s)),
        *(of_session if with_session else []),
        Check("STUN and TURN", limited(_ASKING_S) + _AT_ONCE_S, ways),
        *local_checks(timeout_s=timeout_s),
    ]


def local_checks(*, timeout_s: float) -> list[Check]:
    """Return the checks of this machine alone."""
    emulator_s = min(_EMULATOR_S, timeout_s)
    return [
        Check("codecs", _CODECS_S, check_codecs),
        Check("emulator", emulator_s, lambda: check_round_trip(emulator_s)),
    ]
