// Made from spec/ by `python -m tools.codegen`. Do not edit.

export {};
