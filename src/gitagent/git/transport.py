"""What a call to a remote may use of git's configuration, and which URLs are called at all.

A repository's own configuration can be written by an agent or by whoever made the repository,
and can name programs, proxies and other addresses (SECURITY D11, V2). So what decides where a
call goes, and which programs it starts, comes from the person's and the system's configuration;
where git knows no way to leave a repository's setting out, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitagent.core.errors import Refused, UsageError
from gitagent.git.command import Git

PROTOCOLS = "file:http:https:ssh"
"""What git may speak, whatever a URL is rewritten to; `git:` has no authentication."""

_OWN = ("system", "global")
_CALL = re.compile(r"(?i)[a-z][a-z0-9+.-]*::")  # git starts the program `git-remote-<this>`
_SECRET = re.compile(
    # With http even the name may be a token; with ssh it says who to be there.
    r"(?i)(?P<kept>https?://|\b[a-z+]+://[^/:@\s]*:)[^/\s]+@"
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_DIVERTING = frozenset(
    {
        "cookiefile",
        "curloptresolve",
        "followredirects",
        "pinnedpubkey",
        "proxy",
        "proxysslcainfo",
        "savecookies",
        "sslcainfo",
        "sslcapath",
        "sslverify",
    }
)
"""The settings of `http.*` by which somebody else could answer, or a file be written."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of git's configuration, and whose it is; `key` as `git config --list` has it."""

    scope: str
    key: str
    value: str

    @property
    def parts(self) -> tuple[str, str, str]:
        """Section, subsection (may hold dots, may be empty), and name."""
        section, _, rest = self.key.partition(".")
        subsection, _, name = rest.rpartition(".")
        return section, subsection, name


def check(url: str) -> None:
    """Raise `UsageError` unless `url` is an absolute path or a URL that git itself speaks."""
    shown = masked(url)
    if url.startswith("-") or _CALL.match(url) or _UNPRINTABLE.search(url):
        message = f"`{_UNPRINTABLE.sub('?', shown)}` is not a URL that gitagent calls"
        raise UsageError(message, hint="use https, ssh, or the path of a folder")
    if not url.startswith("/") and ":" not in url:
        message = f"`{shown}` is neither a URL nor an absolute path"
        raise UsageError(message, hint="`git remote -v` shows the URLs of this clone's remotes")


def masked(text: str) -> str:
    """Return `text` with what is secret in its URLs as `***`."""
    return _SECRET.sub(r"\g<kept>***@", text)


def settings(git: Git) -> tuple[Setting, ...]:
    """Return git's whole configuration, the weakest first, with what is included."""
    captured = git.run("config", "--list", "--show-scope", "--includes", "-z")
    fields = captured.stdout.decode(errors="surrogateescape").split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return tuple(Setting(scope, *_key_and_value(line)) for scope, line in pairs)


def _key_and_value(line: str) -> tuple[str, str]:
    key, assigned, value = line.partition("\n")
    return key, value if assigned else "true"


def variables(known: Sequence[Setting]) -> dict[str, str]:
    """Return the environment in which git starts only the person's and the system's programs.

    As variables, since `-c` would show them to everybody, and cannot name every key.
    """
    pairs = list(_pairs([each for each in known if each.scope in _OWN]))
    count = {"GIT_CONFIG_COUNT": str(len(pairs))}
    keys = {f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(pairs)}
    values = {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(pairs)}
    asks_nobody = {"SSH_ASKPASS_REQUIRE": "never", "GIT_ALLOW_PROTOCOL": PROTOCOLS}
    return {**count, **keys, **values, **asks_nobody}


def _pairs(own: Sequence[Setting]) -> Iterator[tuple[str, str]]:
    last = {each.key: each.value for each in own}
    yield "core.sshCommand", last.get("core.sshcommand", "ssh -oBatchMode=yes")
    yield "core.askPass", last.get("core.askpass", "")
    yield "credential.helper", ""  # forgets every helper named so far
    for each in own:
        if each.key.startswith("credential.") and each.key.endswith(".helper"):
            yield each.key, each.value


def refuse_diverted(known: Sequence[Setting], url: str) -> None:
    """Raise `Refused` when the repository's own configuration lets calls of `url` go elsewhere."""
    for each in known:
        if each.scope in ("local", "worktree") and _diverts(each, url):
            message = f"this clone's own configuration diverts `{masked(url)}`: `{each.key}`"
            hint = "move it to your own configuration: `git config --global`"
            raise Refused(masked(message), hint=hint)


def _diverts(setting: Setting, url: str) -> bool:
    match setting.parts:
        case "url", _, "insteadof" | "pushinsteadof":
            return url.startswith(setting.value)
        case "remote", subsection, _:
            return subsection == url  # a URL is looked up among the remotes too
        case "http", _, name:
            return name in _DIVERTING
        case _:
            return False


def safe_variables(git: Git, url: str) -> Mapping[str, str]:
    """Return the environment for calls of `url`; raises `Refused` as `refuse_diverted` does."""
    known = settings(git)
    refuse_diverted(known, url)
    return variables(known)
