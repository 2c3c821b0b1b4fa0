"""Every call to a remote: push with an expected value for each ref, fetch, and read.

What a remote did is known from what git lists and from reading back, never from what it says to
people (PROTOCOL, PUSH, FETCH and READ; SECURITY D13). A push that failed is unknown, not undone.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pygit2

from gitagent import proc
from gitagent.core.errors import ExternalError, UsageError
from gitagent.git import transport
from gitagent.git.command import Git
from gitagent.text import decode, one_line

MOST = 1000
"""Refs in one push: their leases and refspecs are arguments, 160 bytes a ref, and macOS takes
1 MiB of them. `git push` reads none from a file. More are pushed in turns."""

NO_EXIT = -1
"""The exit code of a push that was killed after its timeout, or could not start."""

_TRIES = 5
"""Fetches until two that meet in one clone, or a remote that moves meanwhile, are told from
failures."""

_PUSH = (
    "push",
    "--porcelain",
    "--no-verify",
    "--no-signed",
    "--no-follow-tags",
    "--recurse-submodules=no",
    "--receive-pack=git-receive-pack",
)
_FETCH = (
    "fetch",
    "-q",
    "--prune",
    "--no-tags",
    "--no-prune-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--show-forced-updates",  # else, as the configuration may say, a rewind is a fast-forward
    "--refmap=",
    "--upload-pack=git-upload-pack",
)
_READ = ("ls-remote", "--refs", "-q", "--upload-pack=git-upload-pack")

_CONFIG = {
    "fetch.writeCommitGraph": "false",
    "push.negotiate": "false",  # one more round trip
    "push.pushOption": "",  # forgets those that are set; a server without them refuses
}
_LINE = re.compile(r"(?P<flag>.)\t.*:(?P<ref>[^:\t]+)\t(?P<summary>.*)")
_REASON = re.compile(r"\((.*)\)$")
_OID = re.compile(r"[0-9a-f]{40}")


class NoAnswer(ExternalError):
    """The remote could not be asked (no network, no access, no time): not "there is nothing"."""

    code = "no_answer"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the reply to a push listed: a flag for each ref, as `git push --porcelain` has them.

    A ref without a flag is unknown. `reasons` are the server's words for refused ones, `said`
    what git said, both printable and for people only. `exit_code` may be `NO_EXIT`.
    """

    flags: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0
    said: str = ""

    def placed(self, ref: str) -> bool:
        """Say whether the reply lists `ref` as being what it should be; False is "unknown"."""
        return self.flags.get(ref, "!") != "!"

    def and_then(self, later: Pushed) -> Pushed:
        """Return both as one; the exit code is the first that is not 0."""
        return Pushed(
            flags={**self.flags, **later.flags},
            reasons={**self.reasons, **later.reasons},
            exit_code=self.exit_code or later.exit_code,
            said=" ".join(filter(None, (self.said, later.said))),
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found. Refs are named as the remote has them.

    `missing` are refs (not patterns) that the remote does not have; what was fetched of them
    earlier stays. `rewound` are those whose refspec has no `+` and whose new value, which is
    given and whose objects are here, does not descend from the old, which stays. Everything
    else was fetched if `exit_code` is 0; else `said` tells a person why not.
    """

    missing: frozenset[str] = frozenset()
    rewound: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0
    said: str = ""


class Remote:
    """One remote repository, by its full URL or absolute path; never by a remote's name.

    `timeout` is for one push, fetch or read, in seconds; then git and all it started are killed.
    Raises `UsageError` for a URL that could be taken for something else. Each method raises
    `Refused` when the repository's own configuration diverts the URL.
    """

    def __init__(self, git: Git, url: str, *, timeout: float = 60.0) -> None:
        transport.check(url)
        self.git = git
        self.url = url
        self.timeout = timeout
        self._known: tuple[object, Mapping[str, str]] | None = None

    def push(self, changes: Mapping[str, tuple[str | None, str | None]]) -> Pushed:
        """Move refs, each from its expected value to a new one and for itself; None is "no ref".

        An expected value is not compared where the new one is there already. Never raises for
        what the remote does or fails to do. The objects go along, from a shallow clone too.
        """
        options = [_lease_and_spec(ref, *values) for ref, values in changes.items()]
        reply = Pushed()
        for some in _batches(options):
            leases, specs = zip(*some, strict=True)
            listed = self._pushed(leases, specs)
            reply = reply.and_then(listed)
            if listed.exit_code == NO_EXIT:
                break
        return reply

    def _pushed(self, leases: Sequence[str], specs: Sequence[str]) -> Pushed:
        try:
            done = self._run(*_PUSH, *leases, "--", self.url, *specs)
        except ExternalError as error:
            return Pushed(exit_code=NO_EXIT, said=transport.masked(error.message))
        listed = [_LINE.fullmatch(line) for line in decode(done.stdout).split("\n")]
        found = {line["ref"]: (line["flag"], line["summary"]) for line in listed if line}
        return Pushed(
            flags={ref: flag for ref, (flag, _) in found.items()},
            reasons={ref: _reason(said) for ref, (flag, said) in found.items() if flag == "!"},
            exit_code=done.exit_code,
            said=_said(done),
        )

    def fetch(self, specs: Sequence[str]) -> Fetched:
        """Fetch by these refspecs (`refs/x:refs/y`, `+refs/x/*:refs/y/*`) and no others.

        Refs below a pattern that the remote no longer has are removed here. Raises `NoAnswer`.
        """
        wanted, missing, rewound = list(specs), set[str](), dict[str, str]()
        done, said = 0, ""
        for pause in _pauses():
            if not wanted:
                break
            done, said = self._fetched(wanted)
            if done == 0:
                break
            absent, moved = self._unfetchable(wanted)
            missing |= absent
            rewound.update(moved)
            wanted = [each for each in wanted if _source(each) not in absent | moved.keys()]
            if not absent and not moved:
                time.sleep(pause)
        return Fetched(frozenset(missing), rewound, done if wanted else 0, said)

    def _fetched(self, specs: Sequence[str]) -> tuple[int, str]:
        try:
            done = self._run(*_FETCH, "--", self.url, *specs)
        except ExternalError as error:
            raise self._no_answer(error.message) from error
        return done.exit_code, _said(done)

    def _unfetchable(self, specs: Sequence[str]) -> tuple[set[str], dict[str, str]]:
        """Return the sources that the remote does not have, and those that it rewound."""
        sources = [_source(spec) for spec in specs if "*" not in spec]
        # Something is read in any case: whether the remote answers is what must be known first.
        there = self.read(*(sources or map(_source, specs)))
        plain = {_source(spec): spec for spec in specs if "*" not in spec and spec[0] != "+"}
        rewound = {
            source: there[source]
            for source, spec in plain.items()
            if source in there and self._is_rewound(spec.partition(":")[2], there[source])
        }
        return set(sources) - there.keys(), rewound

    def _is_rewound(self, ref: str, theirs: str) -> bool:
        """Say whether `ref` is here, and `theirs` is too and does not descend from it."""
        done = self.git.run("merge-base", "--is-ancestor", ref, theirs)
        return done.exit_code == 1

    def read(self, *patterns: str) -> dict[str, str]:
        """Return the remote's refs that are named, or begin with a pattern that ends in `*`.

        Without patterns, all. A name that is not in the answer is not there. Raises `NoAnswer`.
        """
        try:
            done = self._run(*_READ, "--", self.url, *patterns)
        except ExternalError as error:
            raise self._no_answer(error.message) from error
        if done.exit_code != 0:
            raise self._no_answer(_said(done))
        lines = (line.partition("\t") for line in decode(done.stdout).split("\n"))
        return {ref: oid for oid, _, ref in lines if ref and _wanted(ref, patterns)}

    def _no_answer(self, said: str) -> NoAnswer:
        said = transport.masked(said) or "git did not say why"
        url = transport.masked(self.url)
        return NoAnswer(f"`{url}` gave no answer: {said}", hint=f"try `git ls-remote {url}`")

    def _run(self, *arguments: str) -> proc.Captured:
        return self.git.run(
            *arguments, config=_CONFIG, variables=self._variables(), timeout=self.timeout
        )

    def _variables(self) -> Mapping[str, str]:
        """Return the safe environment, made anew when the repository's configuration changed."""
        files = [self.git.git_dir / name for name in ("config", "config.worktree")]
        stamp = [(each.st_mtime_ns, each.st_ino, each.st_size) for each in _stats(files)]
        if self._known is None or self._known[0] != stamp:
            self._known = stamp, transport.safe_variables(self.git, self.url)
        return self._known[1]


def _stats(files: Sequence[Path]) -> Iterator[os.stat_result]:
    for file in files:
        with suppress(OSError):
            yield file.stat()


def _lease_and_spec(ref: str, expected: str | None, new: str | None) -> tuple[str, str]:
    """Return the two arguments that move `ref`; the lease of an absent ref ends in a colon."""
    for oid in (expected, new):
        if oid is not None and not _OID.fullmatch(oid):
            message = f"`{oid}` is not the id of an object"
            raise UsageError(message)
    if not ref.startswith("refs/") or not pygit2.reference_is_valid_name(ref):
        message = f"`{one_line(ref, 200)}` is not the full name of a ref"
        raise UsageError(message)
    return f"--force-with-lease={ref}:{expected or ''}", f"{new or ''}:{ref}"


def _batches(options: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    ahead = iter(options)
    while some := list(islice(ahead, MOST)):
        yield some


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait after each try; others who fetch here must not keep step."""
    for number in range(_TRIES):
        yield random.uniform(0, 0.05 * 2**number)  # noqa: S311 - jitter, not secrecy


def _source(spec: str) -> str:
    return spec.removeprefix("+").partition(":")[0]


def _wanted(ref: str, patterns: Sequence[str]) -> bool:
    """Say whether `ref` was asked for: `git ls-remote x` also lists `refs/y/x`."""
    return not patterns or any(
        ref.startswith(pattern[:-1]) if pattern.endswith("*") else ref == pattern
        for pattern in patterns
    )


def _reason(summary: str) -> str:
    found = _REASON.search(summary)
    return one_line(transport.masked(found[1] if found else summary), 500)


def _said(done: proc.Captured) -> str:
    return one_line(transport.masked(decode(done.stderr)), 500)
