"""The metadata of an answer: its status and headers, along with the parsed body.

This module makes the same calls through the same methods, and adds nothing to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, Protocol, TypeAlias, TypeVar

import attrs

from ._base.arguments import CLIENT_DEFAULT, ClientDefault
from ._base.errands import undisturbed
from ._base.public_path import publish

if TYPE_CHECKING:
    from odyssey_models import (
        Recording,
        SimulationJobDetail,
        SimulationJobInfo,
        SimulationJobsList,
        SimulationJobStatus,
        StreamRecordingsList,
    )

    from ._model.credentials import ClientCredentials
    from ._model.script import Script
    from ._rest.job_updates import OnUpdate

__all__ = ["RawCalls", "RawResponse"]

_Timeout: TypeAlias = float | ClientDefault | None

P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RawResponse(Generic[T]):
    """An answer of the service."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The headers; the case of their names does not matter."""
    request_id: str | None
    """The service's id of the request, for support requests; None if it sent none."""
    parsed: T
    """The usual result of the method."""


class _Answer(Protocol):
    """The parts of an answer that are used here."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def request_id(self) -> str | None: ...


class _Calls(Protocol):
    """The methods of `Odyssey` that end with one answer."""

    def create_client_credentials(self, *, timeout: _Timeout = CLIENT_DEFAULT) -> ClientCredentials: ...

    def get_recording(self, stream_id: str, *, timeout: _Timeout = CLIENT_DEFAULT) -> Recording: ...

    def list_stream_recordings(
        self,
        limit: int | None = None,
        offset: int | None = None,
        *,
        timeout: _Timeout = CLIENT_DEFAULT,
    ) -> StreamRecordingsList: ...

    def simulate(
        self,
        *,
        script: Script | None = None,
        scripts: Sequence[Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: _Timeout = CLIENT_DEFAULT,
    ) -> SimulationJobDetail: ...

    def get_simulate_status(self, job_id: str, *, timeout: _Timeout = CLIENT_DEFAULT) -> SimulationJobDetail: ...

    def list_simulations(
        self,
        *,
        status: SimulationJobStatus | str | None = None,
        active: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: _Timeout = CLIENT_DEFAULT,
    ) -> SimulationJobsList: ...

    def cancel_simulation(self, job_id: str, *, timeout: _Timeout = CLIENT_DEFAULT) -> SimulationJobInfo: ...

    def wait_for_simulation(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> SimulationJobDetail: ...

    def simulate_and_wait(
        self,
        *,
        script: Script | None = None,
        scripts: Sequence[Script] | None = None,
        script_url: str | None = None,
        portrait: bool = True,
        bypass_prompt_expansion: bool | None = None,
        timeout: float | None = None,
        poll: float = 5.0,
        on_update: OnUpdate | None = None,
        cancel_on_timeout: bool = False,
    ) -> SimulationJobDetail: ...


class RawCalls:
    """The calls of an `Odyssey` that end with one answer, made through `Odyssey.with_raw_response`.

    If a call makes several requests, the answer is the last one: that with the token for
    `create_client_credentials`, that with the final job for calls that wait for a job. Calls that make a request
    for each page, job or file are not here. A failure raises as usual; the error has ``status``, ``request_id``
    and ``retry_after``.
    """

    def __init__(self, client: _Calls, collect: Callable[[], AbstractContextManager[Sequence[_Answer]]]) -> None:
        def raw(call: Callable[P, T]) -> Callable[P, RawResponse[T]]:
            @undisturbed
            def with_raw_response(*args: P.args, **known: P.kwargs) -> RawResponse[T]:
                with collect() as answers:
                    parsed = call(*args, **known)
                last = answers[-1]
                return RawResponse(
                    status=last.status, headers=last.headers, request_id=last.request_id, parsed=parsed
                )

            return with_raw_response

        self.create_client_credentials: Final = raw(client.create_client_credentials)
        self.get_recording: Final = raw(client.get_recording)
        self.list_stream_recordings: Final = raw(client.list_stream_recordings)
        self.simulate: Final = raw(client.simulate)
        self.get_simulate_status: Final = raw(client.get_simulate_status)
        self.list_simulations: Final = raw(client.list_simulations)
        self.cancel_simulation: Final = raw(client.cancel_simulation)
        self.wait_for_simulation: Final = raw(client.wait_for_simulation)
        self.simulate_and_wait: Final = raw(client.simulate_and_wait)


publish("odyssey_proto", RawCalls, RawResponse)
