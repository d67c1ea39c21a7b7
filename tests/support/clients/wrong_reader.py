"""A reader of vectors that is wrong: it accepts duplicate keys and NaN, and keeps unknown fields."""

from __future__ import annotations

import base64
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    answer = {"id": request["id"], "outcome": "unsupported", "error": "only answers are read"}
    if request["op"] == "read" and request["sender"] == "service":
        raw = base64.b64decode(request["base64"]) if "base64" in request else request["text"].encode()
        try:
            answer |= {"outcome": "accepted", "value": json.loads(raw)}
        except ValueError:
            answer |= {"outcome": "refused"}
    print(json.dumps(answer), flush=True)
