"""Generates `generated/` from `spec/`: `python -m tools.codegen`, or with `--check` only compares.

`sources` reads and checks the schemas, `lowering` converts them to what the model generator understands,
`models` writes the Python package, `bundle` the one-document schema, and `outputs` compares folders. `components`
puts the schemas as code generators understand them, for the documents of `openapi` and `asyncapi`; `directions`
finds out what clients send, and `documents` reads and writes YAML.
"""

__all__: list[str] = []
