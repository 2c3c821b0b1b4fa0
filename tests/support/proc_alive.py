"""Print this process's identity as JSON, and stay until standard input ends."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from gitagent import proc

print(json.dumps(asdict(proc.this_process())), flush=True)
sys.stdin.read()
