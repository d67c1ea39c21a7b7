"""The HTTP side: the REST calls of the protocol, the pings and ``/config``.

All answers, errors included, have the form of the service's answers (FastAPI). `admission` decides who may call.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import odyssey_models as models
from aiohttp import web

from ..._base.errors import MalformedMessageError
from ..._model import codec
from .._accounts.service import MODEL, RefusedError
from .._config import paced
from .._faults.mishaps import befall_http
from .._faults.sloppiness import Sloppiness, untype
from .._faults.sloppy_http import second_home
from .._session.signaling import LARGEST_MESSAGE_BYTES
from .._traffic import call_of, show_exchange
from .admission import CONTROL, PREFLIGHT, Doorkeeper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .._accounts.service import Lease, Service
    from .._config import EmulatorConfig
    from .._faults.script import FaultScript

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = ["SERVER", "RestApi", "authority", "json_answer", "model_answer"]

T = TypeVar("T")
log = logging.getLogger("odyssey_proto.emulator.http")

SERVER = "odyssey-emulator"
"""The ``Server`` header of every answer."""
_STEPS = {"GET /ping/{region}": "ping", "GET /signaling/client/{session_id}": "signaling handshake"}


@web.middleware
async def _let_go(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Drop a client that leaves during its answer or the handshake, or sends a body that cannot be decompressed.

    That is not a failure of the emulator, and no traceback is logged.
    """
    try:
        response = await handler(request)
    except ConnectionError as exc:
        if request.transport is not None and not request.transport.is_closing():
            raise
        log.debug("%s %s: the client left (%s)", request.method, request.path, type(exc).__name__)
        return web.Response()  # which goes nowhere
    if request.content.exception() is not None:
        request.content.feed_eof()  # or aiohttp would read on
        response.force_close()
    return response


class RestApi:
    """The web application of one emulator."""

    def __init__(
        self,
        *,
        config: EmulatorConfig,
        service: Service,
        faults: FaultScript,
        sloppiness: Sloppiness,
        handshake: Callable[[web.Request, Lease], Awaitable[web.StreamResponse]],
        recorded: Callable[[web.Request], web.Response | None] = lambda _: None,
        more: Iterable[web.RouteDef] = (),
        control: Iterable[web.RouteDef] = (),
    ) -> None:
        self._config = config
        self._service = service
        self._faults = faults
        self._handshake = handshake
        self._recorded = recorded
        admission = Doorkeeper(config)
        self.stun_port = 0
        """Port of the emulator's own STUN server."""
        self.app = web.Application(
            middlewares=[
                _let_go,
                admission.check,
                show_exchange,
                sloppiness.answer,
                self._answer_errors,
                self._misbehave,
            ],
            client_max_size=LARGEST_MESSAGE_BYTES,
        )
        self.app.on_response_prepare.extend([_sign, admission.share, untype])
        routes = [
            web.post("/auth/token", self._auth_token),
            web.get("/regions", self._regions, allow_head=False),
            web.get("/ping/{region}", self._ping, allow_head=False),
            web.post("/sessions/request", self._request_session),
            web.post("/sessions/token", self._session_token),
            web.post("/telemetry", self._telemetry),
            web.get("/signaling/config", self._signaling_config, allow_head=False),
            web.get("/config", self._signaling_config, allow_head=False),
            web.get("/signaling/client/{session_id}", self._client, allow_head=False),
            *more,
        ]
        self.app.add_routes([*routes, *control, *(() if config.sloppy is None else second_home(routes))])

    # Around every call

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(text="OK", headers=PREFLIGHT)
        try:
            return await handler(request)
        except RefusedError as refused:
            return json_answer({"detail": refused.detail}, refused.status, refused.headers)
        except web.HTTPException as exc:
            headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
            return json_answer({"detail": exc.reason}, exc.status, headers)
        except web.RequestPayloadError:  # badly compressed, or in bad chunks
            why = "The body cannot be read"
            if request.path.startswith(CONTROL):
                return json_answer({"detail": why}, 400)
            return json_answer({"detail": [_issue(f"{why} @ $")]}, 422)
        except ConnectionError:  # the client disconnected during the answer
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return json_answer({"detail": "Internal Server Error"}, 500)

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = call_of(request)
        answer = await befall_http(self._faults, _STEPS.get(call, call), request)
        if answer is None:
            answer = self._recorded(request)
        return await handler(request) if answer is None else answer

    # The calls

    async def _auth_token(self, request: web.Request) -> web.StreamResponse:
        asked = await _body(request, models.TokenRequest)
        token = self._service.access_token(asked.api_key)
        return model_answer(models.TokenResponse(access_token=token, expires_in=round(self._config.token_ttl_s)))

    async def _regions(self, request: web.Request) -> web.StreamResponse:
        self._account(request)
        base = f"http://{authority(request)}/ping/"
        return model_answer(
            models.RegionsResponse(
                regions=[models.Region(id=name, ping_url=base + name) for name, _ in self._config.regions]
            )
        )

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        delay = dict(self._config.regions).get(request.match_info["region"])
        if delay is None:
            raise RefusedError(404, "Not Found")
        await asyncio.sleep(paced(self._config, delay))
        return json_answer({"status": "ok"})

    async def _request_session(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        asked = await _body(request, models.SessionRequest)
        latencies = asked.region_latencies or {}
        if below := [name for name, latency in latencies.items() if latency < 0]:
            text = "Input should be greater than or equal to 0"
            where = ["body", "region_latencies"]
            raise RefusedError(
                422, [{"type": "greater_than_equal", "loc": [*where, name], "msg": text} for name in below]
            )
        session = self._service.request_session(account, latencies)
        return model_answer(
            models.SessionResponse(
                session_id=session.id,
                signalling_url=f"ws://{authority(request)}/signaling",
                capabilities=models.StreamerCapabilities(image_to_video=self._config.image_to_video),
                streamer_id=session.streamer_id,
                model=MODEL,
                region=session.region,
            )
        )

    async def _session_token(self, request: web.Request) -> web.StreamResponse:
        account = self._account(request)
        asked = await _body(request, models.SessionTokenRequest)
        token = self._service.session_token(account, asked.session_id)
        return model_answer(
            models.SessionTokenResponse(session_token=token, expires_in=round(self._config.session_token_ttl_s))
        )

    async def _telemetry(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        return json_answer({"status": "ok"})

    async def _signaling_config(self, request: web.Request) -> web.StreamResponse:
        servers = self._config.ice_servers
        if servers is not None:
            return json_answer({"iceServers": list(servers)})
        host = request.url.host or ""
        # aiortc raises if the URL has a literal IPv6 address.
        own = [] if ":" in host else [models.IceServer(urls=f"stun:{host}:{self.stun_port}")]
        return model_answer(models.SignalingConfig(ice_servers=own))

    async def _client(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise RefusedError(426, "Upgrade Required", {"Upgrade": "websocket"})
        session = self._service.admit(request.match_info["session_id"], request.query.get("token", ""))
        return await self._handshake(request, session)

    def _account(self, request: web.Request) -> str:
        return self._service.account_of(request.headers.get("Authorization"))


async def _sign(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    response.headers["X-Request-Id"] = uuid.uuid4().hex


def authority(request: web.Request) -> str:
    """Return the host and port that the client used."""
    if request.headers.get("Host"):
        return request.host
    host, port = request.transport.get_extra_info("sockname")[:2] if request.transport else ("127.0.0.1", 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _body(request: web.Request, cls: type[T]) -> T:
    raw = await request.read()
    try:
        return codec.decode_request(cls, raw or b"{}")
    except MalformedMessageError as exc:
        raise RefusedError(422, [_issue(problem) for problem in exc.problems]) from exc


def _issue(problem: str) -> dict[str, Any]:
    """Return, in FastAPI's form, a problem that `codec` reported."""
    message, _, path = problem.partition(" @ $")
    return {
        "loc": ["body", *[key for key in path.split(".") if key]],
        "msg": message,
        "type": "missing" if message.endswith("is missing") else "value_error",
    }


def model_answer(answer: Any) -> web.Response:
    """Return an answer whose body is a model, as JSON."""
    return json_answer(codec.to_dict(answer))


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer whose body is ``content``, as JSON."""
    return web.json_response(content, status=status, headers=headers)
