"""Generates `generated/` from `spec/schemas/`: `python -m tools.codegen`, or with `--check` only compares.

`sources` reads and checks the schemas, `lowering` converts them to what the model generator understands,
`tables` reads which channel carries which message, `models` writes the Python package, `project` what makes a
wheel of it, `bundle` the one-document schema, and `outputs` compares folders.
"""

__all__: list[str] = []
