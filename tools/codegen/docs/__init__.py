"""Writes `generated/docs`: the protocol as HTML pages that load nothing from anywhere.

`source` reads spec/, `content` arranges it into pages, `schemas` and `markdown` turn schemas and texts into HTML,
`sequences` and `states` draw, and `site` writes the pages with the templates in `tools/docs`.
"""

__all__: list[str] = []
