"""The command `lastbeat` on a data directory, and what the store holds after it."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from world import START

from config.settings import load
from lastbeat.cli import main
from lastbeat.installation import prepare
from store.control import Control, monitors, projects
from store.control.monitors import Watched
from store.model import Project

BASE_URL = "https://lastbeat.test"


class Program:
    """`said` and `complained` are what the newest command wrote to standard output and standard error."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.control = Control(data / "control.db")
        self.environ: dict[str, str] = {}
        self.said = self.complained = ""

    def run(self, *arguments: str, status: int = 0, given: str | None = None) -> str:
        """What the command wrote to standard output; its exit status must be `status`. `given` is its standard input."""
        result = CliRunner().invoke(main, arguments, input=given, env={"LASTBEAT_DATA_DIR": str(self.data), **self.environ})
        self.said, self.complained = result.stdout, result.stderr
        assert result.exit_code == status, (arguments, result.output, result.exception)
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def refused(self, *arguments: str, status: int = 1) -> str:
        """The sentence with which the command ended."""
        self.run(*arguments, status=status)
        assert self.said == ""
        return self.complained.partition("Error: ")[2].strip()

    def projects(self) -> dict[str, Project]:
        with self.control.read() as connection:
            return {project.name: project for project in projects.find(connection)}

    def monitors(self, project: Project) -> list[Watched]:
        with self.control.read() as connection:
            return monitors.find(connection, project.id, START)[0]

    def opens(self, key: str) -> str | None:
        """The name of the project that the API key opens."""
        with self.control.read() as connection:
            found = projects.by_key(connection, key)
        return found and found[0].name


def installed(data: Path) -> Program:
    """On a data directory that a server has been started in once, with the address `BASE_URL`."""
    shutil.copytree(_prepared(), data)
    return Program(data)


@cache
def _prepared() -> Path:
    root = tempfile.mkdtemp(prefix="lastbeat-test-")
    atexit.register(shutil.rmtree, root)
    environ = {"LASTBEAT_DATA_DIR": f"{root}/data", "LASTBEAT_ADMIN_PASSWORD": "correct horse battery", "LASTBEAT_BASE_URL": BASE_URL}
    prepare(load({}, environ), START)
    return Path(root) / "data"
