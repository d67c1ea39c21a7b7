"""Reads lines of JSON with the pydantic models in the module named on the command line, and writes them back."""

import importlib.util
import json
import sys

from pydantic import TypeAdapter

spec = importlib.util.spec_from_file_location("models", sys.argv[1])
models = importlib.util.module_from_spec(spec)
sys.modules["models"] = models
spec.loader.exec_module(models)

for line in sys.stdin:
    ((name, value),) = json.loads(line).items()
    adapter = TypeAdapter(getattr(models, name))
    read = adapter.validate_python(value)
    print(json.dumps({name: adapter.dump_python(read, mode="json", by_alias=True, exclude_unset=True)}))
