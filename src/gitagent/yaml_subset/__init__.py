"""The strict YAML that task files and the configuration are written in.

Plain mappings, lists and scalars, and nothing that surprises: no aliases, anchors, tags,
merge keys, duplicate keys, directives or second document; keys are text; at most 256 KiB and
32 levels. A plain scalar is `true`, `false`, `null`, `~`, nothing, an integer without
leading zero, or a decimal, each as in JSON; everything else is text, so `no`, `012`, `1:30` and
dates are text, and so is all that is quoted (SECURITY D24 and V28).
"""

from gitagent.yaml_subset.reading import (
    MAX_BYTES,
    MAX_DEPTH,
    Document,
    Path,
    Place,
    decode,
    load,
)
from gitagent.yaml_subset.words import Value, show
from gitagent.yaml_subset.writing import dump_value

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "Document",
    "Path",
    "Place",
    "Value",
    "decode",
    "dump_value",
    "load",
    "show",
]
