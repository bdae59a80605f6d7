"""The shape of the tree: imports point one way, the wheel holds every folder, and no name stands in another's way."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each folder may import, besides itself.
ALLOWED = {
    "store": {"store"},
    "config": {"config", "store"},
    "rules": {"rules", "store"},
    "ingest": {"ingest", "store", "rules.schedule", "rules.status"},
    "api": {"api", "store", "config", "rules"},
    "dashboards": {"dashboards", "store", "rules"},
}
FOLDERS = [*ALLOWED, "lastbeat"]
AROUND = ["tests", "bench", "examples"]
DRAWERS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(source: str) -> Iterator[str]:
    """Every dotted name that a module imports; a relative one begins with its dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{name.name}" for name in node.names)


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def wrong_imports(folder: str, source: str) -> list[str]:
    """The imports of a module in `folder` that point the wrong way, or that would load a second copy of a module in a wheel."""
    second_copies = {f"lastbeat.{name}" for name in ALLOWED}
    names = set(imported(source))
    wrong = {name for name in names if name.startswith(".") or within(name, second_copies)}
    if folder in ALLOWED:
        wrong |= {name for name in names if within(name, set(FOLDERS)) and not within(name, ALLOWED[folder])}
    return sorted(wrong)


@pytest.mark.parametrize("path", sources(*FOLDERS, *AROUND), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    assert wrong_imports(path.relative_to(ROOT).parts[0], path.read_text()) == []


@pytest.mark.parametrize(
    ("folder", "source", "wrong"),
    [
        ("store", "import ingest", ["ingest"]),
        ("store", "def f():\n    from rules.status import shown", ["rules.status.shown"]),
        ("store", "import lastbeat", ["lastbeat"]),
        ("config", "from rules import settle", ["rules.settle"]),
        ("ingest", "from rules.settle import settle", ["rules.settle.settle"]),
        ("ingest", "from rules import schedule, settle", ["rules.settle"]),
        ("ingest", "import rules", ["rules"]),
        ("dashboards", "from config.settings import load", ["config.settings.load"]),
        ("api", "from dashboards import chart", ["dashboards.chart"]),
        ("api", "from api.errors import Refused\nfrom config import settings\nimport configparser", []),
        ("lastbeat", "from lastbeat.rules import settle", ["lastbeat.rules.settle"]),
        ("lastbeat", "from lastbeat import cli, store", ["lastbeat.store"]),
        ("lastbeat", "from .cli import main\nfrom . import rules", ["..rules", ".cli.main"]),
        ("tests", "import lastbeat.config", ["lastbeat.config"]),
        ("tests", "from lastbeat.cli import main\nfrom rules import settle", []),
    ],
)
def test_a_wrong_import_is_found(folder: str, source: str, wrong: list[str]) -> None:
    assert wrong_imports(folder, source) == wrong


def test_only_the_program_reads_the_environment() -> None:
    reading = re.compile(r"\bos\.(environ|getenv)|from os import .*(environ|getenv)")
    assert [path for path in sources(*ALLOWED) if reading.search(path.read_text())] == []


def test_modules_are_nouns_and_no_two_of_a_folder_share_one() -> None:
    for folder in [*FOLDERS, *AROUND]:
        stems = Counter(path.stem for path in sources(folder) if path.stem != "__init__")
        assert {stem for stem, count in stems.items() if count > 1} == set()
        assert set(stems) & DRAWERS == set()


def setup_cfg() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def test_the_folders_with_code_are_those_of_the_table() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - set(AROUND) == set(FOLDERS)


def test_the_wheel_holds_every_folder_with_code() -> None:
    options = setup_cfg()["options"]
    folders = {path.parent for path in sources(*FOLDERS)}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(options["packages"].split()) == {name if within(name, {"lastbeat"}) else f"lastbeat.{name}" for name in packages}
    assert set(options["package_dir"].strip().splitlines()) == {f"lastbeat.{folder} = {folder}" for folder in ALLOWED}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_wheel_holds_every_file_that_is_no_code() -> None:
    found = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    packed: set[Path] = set()
    for package, patterns in setup_cfg()["options.package_data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        for pattern in re.split(r"[,\s]+", patterns.strip()):
            matches = {path for path in folder.glob(pattern.replace("**", "**/*")) if path.is_file()}
            assert matches, f"{package}: {pattern} matches nothing"
            packed |= matches
    assert packed == found


def test_mypy_reads_every_folder() -> None:
    assert set(re.split(r",\s*", setup_cfg()["mypy"]["files"])) == {*FOLDERS, *AROUND}


def test_the_version_is_the_top_heading_of_the_changelog() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert setup_cfg()["metadata"]["version"] == heading[1]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = re.search(r"^    (make [^#\n]*test) *(?:#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command is not None
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[-1] == command[1]
    assert "export LASTBEAT_TEST_REQUIRE_SERVERS=1" in lines


# A dependency that ships a module with the name of a folder, and one that imports such a module: it would get ours.
SHIPS = r"^(?:{names})(?:/|\.py$)"
IMPORTS = r"^\s*(?:from|import)\s+(?:{names})\b"


def foreign(pattern: str, *, by_path: bool) -> list[str]:
    """Installed modules, but for our own and for tests, whose path (else: whose text) matches the pattern for one of our folders."""
    match = re.compile(pattern.format(names="|".join(ALLOWED)), re.MULTILINE)
    found = []
    for distribution in distributions():
        for file in distribution.files or []:
            if file.suffix != ".py" or distribution.name == "lastbeat" or "tests" in file.parts:
                continue
            if match.search(str(file) if by_path else Path(str(file.locate())).read_text(errors="replace")):
                found.append(f"{distribution.name}: {file}")
    return found


def test_no_module_of_python_or_of_a_dependency_has_the_name_of_a_folder() -> None:
    assert set(FOLDERS) & set(sys.stdlib_module_names) == set()
    assert foreign(SHIPS, by_path=True) == []


def test_no_dependency_imports_a_foreign_module_with_the_name_of_a_folder() -> None:
    assert foreign(IMPORTS, by_path=False) == []


def test_a_foreign_module_with_the_name_of_a_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"foreign-1.dist-info/METADATA": "Name: foreign\n", "rules/permission.py": "", "other.py": "from config import env\n"}
    files["foreign-1.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert foreign(SHIPS, by_path=True) == ["foreign: rules/permission.py"]
    assert foreign(IMPORTS, by_path=False) == ["foreign: other.py"]
