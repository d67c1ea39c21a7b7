"""Checks services and clients, in any language, against ``spec/``. Needs the extra ``conformance``.

`check_service` runs our client against a service; `check_vectors` and `check_live` check clients in any language.
A `Witness` judges the traffic of any clients with the emulator:

    from odyssey_proto.conformance import Witness
    from odyssey_proto.emulator import Emulator, watching

    witness = Witness(("my-client/",))
    with watching(witness), Emulator() as emulator:
        ...                                  # let your client use it
    assert witness.violations() == []

``odyssey-proto conformance`` is the command for all of it. This package logs to ``odyssey_proto.conformance``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._base.errors import MissingExtraError
from .._base.lazy_names import lazy_names

try:
    import jsonschema as _jsonschema  # noqa: F401  # checked first: nothing below can be imported without it
    import yaml as _yaml  # noqa: F401  # ditto
except ImportError as _exc:
    raise MissingExtraError(
        'Checks of conformance need more packages: pip install "odyssey-proto[conformance]"'
    ) from _exc

if TYPE_CHECKING:
    from ._contract import Contract as Contract
    from ._facts import Fact as Fact
    from ._facts import FactState as FactState
    from ._live import check_live as check_live
    from ._scorecard import Point as Point
    from ._scorecard import Scorecard as Scorecard
    from ._service import check_service as check_service
    from ._service_report import Finding as Finding
    from ._service_report import ServiceReport as ServiceReport
    from ._service_report import StepResult as StepResult
    from ._vectors import check_vectors as check_vectors
    from ._violation import Rule as Rule
    from ._violation import Violation as Violation
    from ._witness import Witness as Witness

# Loaded on first use: a witness needs no client, and a check of a service no emulator.
_MODULES: Final = {
    "._contract": ("Contract",),
    "._facts": ("Fact", "FactState"),
    "._live": ("check_live",),
    "._scorecard": ("Point", "Scorecard"),
    "._service": ("check_service",),
    "._service_report": ("Finding", "ServiceReport", "StepResult"),
    "._vectors": ("check_vectors",),
    "._violation": ("Rule", "Violation"),
    "._witness": ("Witness",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above, and find no other name
    __all__, __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
