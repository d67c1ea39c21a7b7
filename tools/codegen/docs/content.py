"""Arranges calls, channels and their objects for the templates. This module does no layout and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from tools.codegen.docs.markdown import block, inline, slug
from tools.codegen.docs.placement import REST, channel_page, on_other_host
from tools.codegen.docs.schemas import Definition, described, fields_of, type_of

if TYPE_CHECKING:
    from tools.codegen.docs.placement import Placement
    from tools.codegen.docs.source import Call, Message, Source

__all__ = ["call_groups", "channels", "definitions_of", "object_groups"]

_WAYS: Final = {True: "client → {}", False: "{} → client"}


def definitions_of(source: Source, placement: Placement, page: str) -> dict[str, Definition]:
    """Return the definitions of a page, in the order of spec/schemas."""
    return {
        name: described(name, source.definition(name), placement.definition)
        for name in source.files
        if placement.pages[name] == page
    }


def call_groups(source: Source, placement: Placement, page: str) -> list[dict[str, Any]]:
    """Return the calls of a page by tag, and then its other objects, by file.

    Each call has the objects of its bodies that no earlier call has.
    """
    left = definitions_of(source, placement, page)
    calls = [call for call in source.calls() if (page == REST) is not on_other_host(call)]
    groups = []
    for tag, text in source.tags().items():
        views = [_call(placement, call, left) for call in calls if call.tag == tag]
        if views:
            groups.append(_group(f"{tag}-calls", tag.capitalize(), inline(text), views))
    return [*groups, *_by_file(source, left)]


def object_groups(source: Source, placement: Placement, page: str) -> list[dict[str, Any]]:
    """Return the objects of a page that has no calls, grouped by schema file."""
    return _by_file(source, definitions_of(source, placement, page))


def _by_file(source: Source, definitions: dict[str, Definition]) -> list[dict[str, Any]]:
    files: dict[str, list[Definition]] = {}
    for name, it in definitions.items():
        files.setdefault(source.files[name], []).append(it)
    groups = []
    for file, rest in files.items():
        document = source.schemas[file]
        title = f"Objects: {document['title']}"
        groups.append(_group(slug(title), title, inline(document["description"]), [], rest))
    return groups


def _group(
    anchor: str, title: str, text: Markup, calls: list[dict[str, Any]], definitions: list[Definition] | None = None
) -> dict[str, Any]:
    return {"anchor": anchor, "title": title, "text": text, "calls": calls, "definitions": definitions or []}


def _call(placement: Placement, call: Call, left: dict[str, Definition]) -> dict[str, Any]:
    operation = call.operation
    body = operation.get("requestBody", {}).get("content", {})
    responses = operation["responses"]
    own = [
        schema["$ref"].rpartition("/")[2]
        for content in (body, *(each.get("content", {}) for status, each in responses.items() if status < "3"))
        for schema in (media.get("schema", {}) for media in content.values())
        if "$ref" in schema
    ]
    return {
        "id": call.id,
        "method": call.method,
        "path": call.address,
        "summary": inline(operation.get("summary", "")),
        "text": block(operation.get("description", "")),
        "about": inline(call.about),
        "assumed": call.assumed,
        "security": call.security,
        "servers": [_server(server) for server in call.servers if "{" in server["url"]],
        "body": [(name, _body(media.get("schema", {}), placement)) for name, media in body.items()],
        "parameters": fields_of(call.id, call.parameters, placement.definition),
        "answers": [
            {
                "status": status,
                "text": inline(each.get("description", "")),
                "assumed": bool(each.get("x-assumed")),
                "headers": [
                    (name, inline(header.get("description", "")), bool(header.get("x-assumed")))
                    for name, header in each["headers"].items()
                ],
                "body": Markup(" or ").join(
                    dict.fromkeys(
                        _body(media.get("schema", {}), placement) for media in each.get("content", {}).values()
                    )
                ),
            }
            for status, each in responses.items()
        ],
        "definitions": [left.pop(name) for name in dict.fromkeys(own) if name in left],
    }


def _body(schema: dict[str, Any], placement: Placement) -> Markup:
    shown = type_of(schema, placement.definition)
    text = schema.get("description")
    return Markup("{}: {}").format(shown, inline(text)) if text and "$ref" not in schema else shown


def _server(server: dict[str, Any]) -> dict[str, Any]:
    texts = [server.get("description", "")]
    texts += [each.get("description", "") for each in server.get("variables", {}).values()]
    return {"url": server["url"], "text": inline(" ".join(filter(None, texts)))}


# --- channels


def channels(source: Source, placement: Placement, page: str) -> tuple[list[dict[str, Any]], list[Definition]]:
    """Return the channels of a page with their messages, and the other objects of the page."""
    left = definitions_of(source, placement, page)
    messages = list(source.messages())
    found = []
    for key, channel in source.live["channels"].items():
        if channel_page(source, key) == page:
            found.append(
                _channel(source, placement, key, channel, [each for each in messages if each.channel == key], left)
            )
    return found, list(left.values())


def _channel(
    source: Source,
    placement: Placement,
    key: str,
    channel: dict[str, Any],
    messages: list[Message],
    left: dict[str, Definition],
) -> dict[str, Any]:
    servers = [source.resolved(server, source.live) for server in channel.get("servers", ())]
    facts: list[tuple[str, Markup]] = [("Address", Markup("<code>{}</code>").format(channel["address"]))]
    for server in servers:
        facts.append(("Protocol", Markup("<code>{}</code>").format(server["protocol"])))
        facts.append(("Server", inline(server.get("description", ""))))
    for name, parameter in channel.get("parameters", {}).items():
        facts.append(("Parameter", Markup("<code>{}</code>: {}").format(name, inline(parameter["description"]))))
    query = channel.get("bindings", {}).get("ws", {}).get("query", {})
    for name, field in query.get("properties", {}).items():
        facts.append(("Query", Markup("<code>{}</code>: {}").format(name, inline(field.get("description", "")))))
    for name, value in channel.items():
        if name.startswith("x-") and isinstance(value, dict) and value.get("x-assumed"):
            shown = ", ".join(f"{what} {each}" for what, each in value.items() if what != "x-assumed")
            title = name.removeprefix("x-").replace("-", " ").capitalize()
            badge = Markup('<a class="badge assumed" href="provenance.html#what-is-assumed">Assumed</a>')
            facts.append((title, Markup("{} {}").format(shown, badge)))
    peer = "streamer" if any(server["protocol"] == "webrtc" for server in servers) else "server"
    ways = []
    for sent in (True, False):
        shown_messages = [each for each in messages if each.sent is sent]
        if shown_messages:
            ways.append(
                {
                    "anchor": f"{key}-{'sent' if sent else 'received'}",
                    "title": "What the client sends" if sent else "What the client receives",
                    "operations": _operations(source, key, sent=sent),
                    "messages": [_message(placement, each, peer, left) for each in shown_messages],
                }
            )
    title = channel.get("title", key)
    return {
        "anchor": key,
        "title": f"{title}: {key}" if title.lower() != key.lower() else title,
        "text": inline(channel.get("description", channel.get("summary", ""))),
        "facts": facts,
        "ways": ways,
    }


def _operations(source: Source, channel: str, *, sent: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "text": inline(" ".join(filter(None, map(operation.get, ("summary", "description"))))),
            "replies": [
                Markup("<code>{}</code>").format(
                    source.resolved(source.resolved(each, source.live), source.live).get("name", "")
                )
                for each in operation.get("reply", {}).get("messages", ())
            ],
        }
        for name, operation in source.live["operations"].items()
        if operation["channel"]["$ref"] == f"#/channels/{channel}" and (operation["action"] == "send") is sent
    ]


def _message(placement: Placement, message: Message, peer: str, left: dict[str, Definition]) -> dict[str, Any]:
    return {
        "name": message.name,
        "anchor": f"{message.channel}.{message.name}.{'sent' if message.sent else 'received'}",
        "way": _WAYS[message.sent].format(peer),
        "text": inline(" ".join(filter(None, map(message.entry.get, ("summary", "description"))))),
        "schema": message.schema,
        "definition": left.pop(message.schema, None),
        "link": placement.definition(message.schema),
    }
