"""Checks services and clients, in any language, against the protocol in ``spec/``.

``odyssey-proto conformance`` is its command. Needs the extra ``conformance``.
"""

from .._base.errors import MissingExtraError

try:
    import jsonschema as _jsonschema  # noqa: F401  # checked first: nothing below can be imported without it
    import yaml as _yaml  # noqa: F401  # ditto
except ImportError as _exc:
    raise MissingExtraError(
        'Checks of conformance need more packages: pip install "odyssey-proto[conformance]"'
    ) from _exc

__all__: list[str] = []
