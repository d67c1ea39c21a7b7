"""The command `python -m tools.bench [NAME…]`, which runs the named benchmarks, or all."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench import codec, feedback, imports, network, packets, rates, rest, streaming
from tools.bench.figures import Figure, machine, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

_BENCHMARKS: dict[str, Callable[..., list[Figure]]] = {
    "imports": imports.run,
    "codec": codec.run,
    "rest": rest.run,
    "connect": streaming.connect,
    "latency": streaming.latency,
    "ceiling": streaming.ceiling,
    "packets": packets.packets,
    "rates": rates.rates,
    "slow": streaming.slow,
    "sessions": streaming.sessions,
    "network": network.network,
    "feedback": feedback.feedback,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description="Compare this library with plain code for the same tasks."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_BENCHMARKS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="only check that it runs; the figures mean little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write figures and machine data to FILE")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(_BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    found: dict[str, list[Figure]] = {}
    try:
        for name, measure in _BENCHMARKS.items():
            if not options.names or name in options.names:
                found[name] = measure(short=options.short)
    finally:  # shows the figures so far, which took minutes
        print(table([figure for figures in found.values() for figure in figures]))
    if options.json is not None:
        figures = {name: [figure.as_json() for figure in of] for name, of in found.items()}
        content = {"short": options.short, "machine": machine(), "figures": figures}
        options.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
