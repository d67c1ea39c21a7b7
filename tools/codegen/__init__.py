"""Generates `generated/` from `spec/schemas/`: `python -m tools.codegen`, or with `--check` only compares.

`sources` reads and checks the schemas, `lowering` converts them to what the model generator understands,
`models` writes the Python package, `bundle` the one-document schema, `docs` the pages, and `outputs` compares
folders.
"""

__all__: list[str] = []
