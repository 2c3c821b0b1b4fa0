"""What of the person's environment an agent or a check gets: an allow-list (SECURITY D5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_ALLOWED = frozenset(
    {
        "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
        "CARGO_HOME", "CONDA_PREFIX", "GOPATH", "GOROOT", "JAVA_HOME", "NVM_DIR",
        "PYENV_ROOT", "RUSTUP_HOME", "VIRTUAL_ENV", "XDG_CACHE_HOME",
    }
)  # fmt: skip
"""What programs need to be found and to speak; nothing that is named like a secret."""


def allowed(environment: Mapping[str, str], names: Iterable[str] = ()) -> dict[str, str]:
    """Return the part of `environment` that a child may see: the list, `LC_*`, and `names`.

    Git's variables are never among them, so that a command inside a worktree finds that
    worktree and not the repository whose hook gitagent may run in (SECURITY D17).
    """
    wanted = _ALLOWED | set(names)
    return {
        name: value
        for name, value in environment.items()
        if (name in wanted or name.startswith("LC_")) and not name.startswith("GIT_")
    }
