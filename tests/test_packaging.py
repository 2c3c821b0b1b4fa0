"""What is shipped, what it says it needs, and what starting it costs."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gitagent

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "gitagent"
HEAVY = {"anthropic", "asyncio", "github3", "psutil", "pydantic", "pygit2", "rich", "yaml"}
GROUPS = {"gitagent.agents", "gitagent.forges", "gitagent.notifiers", "gitagent.sources"}


def project() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return settings


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def read(wheel: zipfile.ZipFile, ending: str) -> str:
    (name,) = (each for each in wheel.namelist() if each.endswith(ending))
    return wheel.read(name).decode()


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    ours = {file for file in SOURCE.rglob("*") if file.is_file() and not _litter(file)}
    assert packed == {file.relative_to(SOURCE.parent).as_posix() for file in ours}
    assert {"gitagent/core/task.py", "gitagent/cli/main.py"} <= packed


def _litter(file: Path) -> bool:
    return any(part == "__pycache__" or part.endswith("_cache") for part in file.parts)


def test_there_is_one_version(wheel: zipfile.ZipFile) -> None:
    said = gitagent_says("--version").stdout.strip()

    assert f"Version: {gitagent.__version__}\n" in read(wheel, "METADATA")
    assert said == f"gitagent {gitagent.__version__}"


def test_the_wheel_names_its_license_python_and_few_bounded_dependencies(
    wheel: zipfile.ZipFile,
) -> None:
    metadata = read(wheel, "METADATA")
    needs = [
        Requirement(each) for each in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    ]
    always = [each for each in needs if each.marker is None]

    assert "License-Expression: MIT\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert len(always) < 12
    assert [str(each) for each in always if "<" not in str(each.specifier)] == []
    assert "MIT License" in read(wheel, "licenses/LICENSE")


def test_the_wheel_has_every_plug_in_point_and_the_command(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser(delimiters=("=",))
    points.read_string(read(wheel, "entry_points.txt"))
    declared = set(project()["project"]["entry-points"])

    assert points["console_scripts"]["gitagent"] == "gitagent.cli.main:main"
    assert points["gitagent.agents"]["command"] == "gitagent.agents.command:CommandAgent"
    assert declared == GROUPS
    assert set(points.sections()) <= {*GROUPS, "console_scripts"}


def test_every_entry_point_that_is_installed_can_be_loaded() -> None:
    ours = [each for group in GROUPS for each in entry_points(group=group)]
    ours += [each for each in entry_points(group="console_scripts") if each.name == "gitagent"]

    assert {each.name for each in ours} >= {"command", "gitagent"}
    for each in ours:
        assert callable(each.load()), each


def gitagent_says(*words: str, probe: str = "") -> subprocess.CompletedProcess[str]:
    """Run `gitagent` in a process of its own; `probe` is code that runs at its end."""
    program = f"import atexit, sys\natexit.register(lambda: exec({probe!r}))\n"
    program += "from gitagent.cli.main import main\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("words", [("--version",), ("--help",), ()])
def test_a_question_about_the_command_itself_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    said = gitagent_says(*words, probe="print('MODULES', *sys.modules, file=sys.stderr)")
    modules = {name.partition(".")[0] for name in said.stderr.split("MODULES ")[1].split()}

    assert "gitagent" in modules
    assert modules & HEAVY == set()


def test_core_imports_the_standard_library_alone() -> None:
    allowed = {*sys.stdlib_module_names, "gitagent"}
    files = sorted((SOURCE / "core").glob("*.py"))

    strangers = [(file.name, name) for file in files for name in _imports(file) - allowed]

    assert len(files) > 10
    assert strangers == []


def _imports(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    others = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {name.partition(".")[0] for name in [*plain, *(node.module or "" for node in others)]}


def pins(lock: str) -> dict[str, str]:
    """Return name and version of everything in a file of `requirements/`."""
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def test_what_ci_installs_is_what_pyproject_asks_for() -> None:
    settings = project()["project"]
    extras = settings["optional-dependencies"]
    locked = pins("dev.txt")

    asked = [*settings["dependencies"], *extras["test"], *extras["dev"]]
    for each in map(Requirement, asked):
        assert each.specifier.contains(locked[canonicalize_name(each.name)]), each


@pytest.mark.parametrize("lock", ["dev.txt", "build.txt", "sdists.txt"])
def test_every_pin_has_a_hash_and_no_pin_an_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]

    assert len(entries) == len(pins(lock)) > 2
    assert [each.splitlines()[0] for each in entries if "--hash=sha256:" not in each] == []
    assert re.findall(r"https?:|file:|@ |--(?:extra-)?index-url|--find-links|^-[if]\b", text) == []


SKIPPING = """
    import pytest
    def test_that_skips_itself(): pytest.skip("no strace here")
    @pytest.mark.skip(reason="marked")
    def test_that_is_marked(): ...
    @pytest.mark.skip(reason="root may do it")
    def test_that_root_cannot_show(): ...
    @pytest.mark.xfail(reason="known")
    def test_that_is_known_to_fail(): assert False
    def test_that_passes(): ...
"""


def test_where_nothing_may_be_missing_a_skipped_test_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(SKIPPING)
    pytester.makepyfile(test_whole="import pytest\npytest.importorskip('no_such_module')")
    arguments = ("-p", "support.no_skip", "-p", "no:cacheprovider")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))

    monkeypatch.delenv("GITAGENT_TESTS_MUST_NOT_SKIP", raising=False)
    alone = pytester.runpytest_subprocess(*arguments)
    alone.assert_outcomes(passed=1, skipped=4, xfailed=1)

    monkeypatch.setenv("GITAGENT_TESTS_MUST_NOT_SKIP", "1")
    in_ci = pytester.runpytest_subprocess(*arguments, "--continue-on-collection-errors")
    in_ci.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    in_ci.stdout.fnmatch_lines(["*no strace here*"])
