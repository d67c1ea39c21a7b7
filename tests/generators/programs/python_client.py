"""Reads lines of JSON with the classes of openapi-python-client in the package named on the command line."""

import importlib
import json
import sys
from pathlib import Path

package = Path(sys.argv[1])
sys.path.insert(0, str(package.parent))
models = importlib.import_module(f"{package.name}.models")

for line in sys.stdin:
    ((name, value),) = json.loads(line).items()
    print(json.dumps({name: getattr(models, name).from_dict(value).to_dict()}))
