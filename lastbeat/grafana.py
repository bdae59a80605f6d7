"""The generated dashboards of one installation: written into a folder, kept current there by the engine, sent to a Grafana."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from config.settings import Settings
from dashboards.grafana import folder, provisioning
from dashboards.grafana.generated import MOST_OWN, dashboards, thresholds
from dashboards.grafana.panels import Json
from dashboards.grafana.remote import Grafana, GrafanaError
from lastbeat.installation import found_control
from store.control import Control, alerts, monitors
from store.model import Ns

log = logging.getLogger(__name__)

_VARIABLE = "LASTBEAT_GRAFANA_TOKEN"
_INFLUXDB = "http://localhost:8086"
_OWN_FILES = "dashboards/lastbeat-mon_*.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """What is generated from, and for: monitors and thresholds in the control store, and the settings of InfluxDB."""

    settings: Settings
    control: Control

    def build(self, root: Path, asked: Collection[str] = ()) -> list[str]:
        """Write dashboards and provisioning into `root`; returns the paths within it that changed. Raises OSError."""
        files = {f"dashboards/{uid}.json": _text(document) for uid, document in self._generated(asked).items()}
        authenticated = self.settings.influxdb_token is not None
        around = provisioning.files(*self._source(), authenticated=authenticated, dashboards=root / "dashboards")
        return folder.write(root, files | {f"provisioning/{path}": text for path, text in around.items()}, _OWN_FILES)

    def push(self, url: str, token: str, asked: Collection[str] = ()) -> int:
        """Send all dashboards; returns how many. Raises GrafanaError."""
        documents = self._generated(asked)
        Grafana(url, token).push(documents.values(), provisioning.datasource(*self._source(), self.settings.influxdb_token))
        return len(documents)

    def _source(self) -> tuple[str, str]:
        return self.settings.influxdb_url or _INFLUXDB, self.settings.influxdb_bucket

    def _generated(self, asked: Collection[str]) -> dict[str, Json]:
        with self.control.read() as connection:
            names, alerts_of = monitors.names(connection), alerts.by_monitor(connection)
        if unknown := sorted(set(asked) - set(names)):
            raise GrafanaError(f"There is no monitor {unknown[0]}")
        left_out = sum(bool(thresholds(alerts_of.get(monitor_id, ()))) for monitor_id in names) - MOST_OWN
        if left_out > 0:
            log.warning("%d monitors with thresholds get no dashboard of their own, because %d others have one", left_out, MOST_OWN)
        return dashboards(names, alerts_of, asked)


class Current:
    """A step that writes the folder anew when monitors or thresholds have changed. New keys need none: the dashboards ask for them."""

    def __init__(self, settings: Settings, control: Control, root: Path) -> None:
        self._installed = Installed(settings, control)
        self._root = root
        self._seen: tuple[int, tuple[int, int]] | None = None

    def step(self, now: Ns) -> bool:
        with self._installed.control.read() as connection:
            there = monitors.newest_version(connection), alerts.edition(connection)
        if there != self._seen:
            changed = self._installed.build(self._root)
            log.info("%d files of dashboards in %s are new", len(changed), self._root)
            self._seen = there
        return False


@contextmanager
def installed(settings: Settings) -> Iterator[Installed]:
    """What the command line works with: whatever cannot be done ends the command with a sentence."""
    with found_control(settings) as control:
        try:
            yield Installed(settings, control)
        except GrafanaError as error:
            raise click.ClickException(f"{error}.") from None
        except OSError as error:
            raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}.") from None


def token(file: Path | None, environ: Mapping[str, str]) -> str:
    """Grafana's token; ends the command with a sentence where there is none."""
    named = environ.get(f"{_VARIABLE}_FILE")
    file = file or (Path(named) if named else None)
    try:
        found = file.read_text(encoding="utf-8").strip() if file else environ.get(_VARIABLE, "")
    except (OSError, ValueError) as error:
        raise click.UsageError(f"The token in {file} cannot be read: {error}.") from None
    if not found.isprintable():
        raise click.UsageError("Grafana's token has a line break or another control character in it: give it as Grafana showed it.")
    if not found:
        raise click.UsageError(f"Grafana's token is missing: give --token-file, {_VARIABLE} or {_VARIABLE}_FILE.")
    return found


def _text(document: Json) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
