"""What every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fleet import Fleet
from support.servers import Folder, folder
from support.story import Person, Repo

pytest_plugins = ["support.figures", "support.no_skip"]

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden anew from what the code gives now; then read the diff",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with the file of that name in tests/golden.

    `pytest --update-golden` writes the files instead.
    """

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Return somebody with a home folder of their own."""
    return Person(tmp_path / "home")


@pytest.fixture
def repo(tmp_path: Path, person: Person) -> Repo:
    """Return a new repository, without a commit yet."""
    return Repo.create(tmp_path / "repo", person)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Folder]:
    """Return a bare repository that is a folder."""
    with folder(tmp_path / "hub.git") as server:
        yield server


@pytest.fixture
def fleet(tmp_path: Path, server: Folder) -> Iterator[Fleet]:
    """Return two clones of `server` that share its queue, and the one that made it."""
    fleet = Fleet.create(tmp_path, server, 2)
    yield fleet
    fleet.end()
