"""200 task files that are wrong, each with the line that an error must name.

`LINES` stand after a good `title`, so the first of them is line 3 of its file; with each
comes the line that is wrong, counted from there. Each file comes plain, with CRLF, and with
a byte order mark.
"""

from __future__ import annotations

ID = "k3x9m"

_LINES: list[tuple[str, int]] = [
    ("status: opne", 1),
    ("status: Open", 1),
    ("status: ready", 1),
    ("status: [open]", 1),
    ("status: true", 1),
    ("waiting_for: money", 1),
    ("priority: 5", 1),
    ("priority: -1", 1),
    ("priority: high", 1),
    ("priority: 1.5", 1),
    ("priority: '1'", 1),
    ("priority: true", 1),
    ("priority: 99999999999999999999999", 1),
    (f"labels: [bug]\nblocked_by:\n  - abcde\n  - {ID}", 4),
    ("blocked_by: [abcde, fghjk, abcde]", 1),
    ("blocked_by: abcde", 1),
    ("blocked_by: [ILOU5]", 1),
    ("blocked_by: [abc]", 1),
    ("blocked_by: [tasks]", 1),
    ("blocked_by: [../../x]", 1),
    ("blocked_by: [[abcde]]", 1),
    ("blocked_by: [1.5]", 1),
    ("labels: bug", 1),
    ("labels:\n  - bug\n  - 2024", 3),
    ("labels: [{a: b}]", 1),
    ('labels: ["a\\nb"]', 1),
    ("labels: ['']", 1),
    ("created: yesterday", 1),
    ("created: 2020-13-45T00:00:00Z", 1),
    ("created: 2026-11-21", 1),
    ("not_before: 2026-11-21T04:00:00", 1),
    ("not_before: 0001-01-01T00:00:00+23:00", 1),
    ("not_before: 20261121", 1),
    ("source: 7", 1),
    ("agent: -x", 1),
    ("agent: a b", 1),
    ("model: --dangerous", 1),
    ("model: 4.5", 1),
    ("reviewer: {agent: x}", 1),
    ("verify: {run: x}", 1),
    ("verify:\n  - pytest\n  - pytest", 3),
    ("verify:\n  - run: pytest\n    timeout: 5x", 3),
    ("verify:\n  - run: pytest\n    timeout: 0", 3),
    ("verify:\n  - run: pytest\n    timeout: 999h", 3),
    ("verify:\n  - rum: pytest", 2),
    ("verify:\n  - name: lint", 2),
    ("verify: ['']", 1),
    ('verify: ["a\\0b"]', 1),
    ("verify: [guard]", 1),
    ("verify:\n  - {run: x, network: internet}", 2),
    ("verify:\n  - {run: x, env: [A-B]}", 2),
    ("integrate: push", 1),
    ("budget: 5", 1),
    ("budget: {attempts: 0}", 1),
    ("budget: {tokens: 2X}", 1),
    ("budget: {usd: -1}", 1),
    ("budget: {usd: much}", 1),
    ("budget:\n  time: soon", 2),
    ("budget:\n  turns: 1\n  tunrs: 2", 3),
    ("allow: src/**", 1),
    ("stack: yes", 1),
    ("plan: maybe", 1),
    ("\tstatus: open", 1),
    ("budget:\n\ttime: 1m", 2),
    ("status: open\nlabels: [a]\nstatus: done", 3),
    ("title: again", 1),
    ("x: &a [y]\nz: *a", 1),
    ("x: *nobody", 1),
    ("x: !!python/name:os.system y", 1),
    ("<<: {status: open}", 1),
    ("x: " + "[" * 40 + "]" * 40, 1),
    ("source: Fix: this", 1),
    ("x: 'no end", 1),
    ("x: [1, 2", 1),
    ("x: \x1b[31mred", 1),
    ("x: a\0b", 1),
    ("1: x", 1),
    ("%YAML 1.1", 1),
]

_BOMB = b"---\ntitle: x\na: &a [b, b, b]\n" + b"".join(
    b"a%d: &a%d [*a, *a, *a, *a]\n" % (n, n) for n in range(999)
)
_FILES: list[tuple[str, bytes, int]] = [
    ("empty", b"", 1),
    ("no front matter", b"# Fix the pager\n\nIt fails.\n", 1),
    ("blank line first", b"\n---\ntitle: x\n---\n", 1),
    ("unclosed", b"---\ntitle: x\nstatus: open\n", 1),
    ("closed by dots", b"---\ntitle: x\n...\nBody\n", 1),
    ("nothing in it", b"---\n---\nBody\n", 2),
    ("a comment only", b"---\n# x\n---\n", 2),
    ("no title", b"---\nstatus: open\n---\n", 2),
    ("title without value", b"---\nstatus: open\ntitle:\n---\n", 3),
    ("blank title", b"---\ntitle: '  '\n---\n", 2),
    ("two-line title", b'---\ntitle: "a\\nb"\n---\n', 2),
    ("title is a number", b"---\nstatus: open\ntitle: 404\n---\n", 3),
    ("title is a list", b"---\ntitle: [x]\n---\n", 2),
    ("a list", b"---\n- title\n---\n", 2),
    ("text", b"---\ntitle\n---\n", 2),
    ("10 MiB body", b"---\ntitle: x\n---\n" + b"x" * (10 << 20), 1),
    ("10 MiB title", b"---\ntitle: " + b"x" * (10 << 20) + b"\n---\n", 1),
    ("not UTF-8", b"---\ntitle: x\n---\n\nBody \xff\n", 5),
    ("latin-1", "---\ntitle: Café\n---\n".encode("latin-1"), 2),
    ("utf-16", "---\ntitle: x\n---\n".encode("utf-16"), 1),
    ("a surrogate", b"---\ntitle: \xed\xa0\x80\n---\n", 2),
    ("a png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1),
    ("NULs", b"\0" * 4096, 1),
    ("alias bomb", _BOMB + b"---\n", 3),
    ("deep", b"---\ntitle: x\nx: " + b"[" * 100_000 + b"\n---\n", 3),
    ("many levels", b"---\ntitle: x\nx:\n" + b"- " * 50_000 + b"\n---\n", 4),
    ("a conflict", b"---\ntitle: x\n<<<<<<< ours\nstatus: open\n=======\n---\n", 4),
    ("a long integer", b"---\ntitle: x\npriority: " + b"9" * 5000 + b"\n---\n", 3),
    ("old Mac lines", b"---\ntitle: x\rstatus: open\n---\n", 2),
]


def corpus() -> list[tuple[str, bytes, int]]:
    """Return name, bytes and the line of the error of 200 and more bad files."""
    found = list(_FILES)
    for number, (lines, wrong) in enumerate(_LINES):
        text = f"---\ntitle: Fix the pager\n{lines}\n---\n\nBody\n"
        plain = text.encode()
        forms = {"": plain, " CRLF": plain.replace(b"\n", b"\r\n"), " BOM": b"\xef\xbb\xbf" + plain}
        found += [(f"{number} {lines[:30]!r}{k}", data, 2 + wrong) for k, data in forms.items()]
    return found
