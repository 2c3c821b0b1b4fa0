"""A linter of one rule that needs nothing but Python: whatever is imported is used.

python3 tools/lint.py [--fix] FOLDER    exit status 1 when something is left to mend
"""

import ast
import sys
from pathlib import Path


def unused(text):
    """Return, for each import with names that nothing uses, the statement and these names."""
    nodes = list(ast.walk(ast.parse(text)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    found = []
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            names = [name for name in bound if name not in used]
            if names:
                found.append((node, names))
    return found


def fixed(text):
    """Return `text` without the imports of which nothing is used."""
    lines = text.splitlines(keepends=True)
    for node, names in reversed(unused(text)):
        if len(names) == len(node.names):
            del lines[node.lineno - 1 : node.end_lineno]
    return "".join(lines)


def main(arguments):
    """Check every file of a folder; the exit status says whether all is well."""
    fix, folder = "--fix" in arguments, arguments[-1]
    left = 0
    for path in sorted(Path(folder).rglob("*.py")):
        if fix:
            path.write_text(fixed(path.read_text()))
        for node, names in unused(path.read_text()):
            left += 1
            print(f"{path}:{node.lineno}: {', '.join(names)} is imported and never used")
    return 1 if left else 0


sys.exit(main(sys.argv[1:]))
