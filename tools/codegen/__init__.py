"""Generates `generated/` from `spec/`: `python -m tools.codegen`; with `--check`, it only compares.

`sources` reads and checks the schemas, `lowering` converts them to a form that the model generator understands,
`tables` reads which channel carries which message, `models` writes the Python package, `project` the files that
make it a wheel, `bundle` the one-document schema, and `outputs` compares folders. `components` puts the schemas
into a form that code generators understand, for the documents of `openapi` and `asyncapi`; `directions` finds the
schemas that clients send. `documents` reads and writes YAML, `docs` writes the pages, and `typescript` the package
for npm.
"""

__all__: list[str] = []
