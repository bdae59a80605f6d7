"""The settings of one Lastbeat: one table (`SETTINGS`) that the command line, the documentation and the checks read.

A flag wins over the environment (`LASTBEAT_<NAME>`), the environment over the YAML file named by `LASTBEAT_CONFIG`. Every value arrives as
text, whichever way it came, and is read by its setting's `parse`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import yaml

from config import plans
from store.model import Plan

SHIPPED_RULES = Path(__file__).with_name("rules.yml")
CONFIG_VARIABLE = "LASTBEAT_CONFIG"
_UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class SettingsError(Exception):
    """A sentence for the person who starts Lastbeat: which setting, where it came from, its value, and what is accepted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the composition root hands out piece by piece; nobody else sees it. Its fields are the names of `SETTINGS`."""

    host: str
    port: int
    data_dir: Path
    base_url: str
    workers: int
    api_key: str | None = field(repr=False)
    admin_password: str | None = field(repr=False)
    database_url: str = field(repr=False)
    influxdb_url: str | None
    influxdb_token: str | None = field(repr=False)
    influxdb_org: str
    influxdb_bucket: str
    rules_interval: float
    storm_hold: float
    retention_days: int
    journal_max_bytes: int
    dashboards_dir: Path | None
    rules_dir: Path
    plans: dict[str, Plan]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `default` is text as a user would write it; None where it is derived or absent, which `help` explains."""

    name: str
    default: str | None
    parse: Callable[[str], object]
    help: str
    secret: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "LASTBEAT_" + self.name.upper()


class Given(NamedTuple):
    """A value as somebody wrote it, and the words that tell them where."""

    text: str
    where: str


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """The settings from flags (by setting name; None: not given), environment and file; SettingsError for the first that does not fit."""
    sources = [_from_flags(flags), _from_environment(environ)]
    if path := environ.get(CONFIG_VARIABLE):
        sources.append(_from_file(Path(path)))
    values: dict[str, Any] = {setting.name: _value(setting, sources) for setting in SETTINGS}
    if values["base_url"] is None:
        values["base_url"] = _local_url(values["host"], values["port"])
    if values["database_url"] is None:
        values["database_url"] = "sqlite:///" + quote(str(values["data_dir"] / "control.db"))
    values["plans"] = plans.shipped() | (values["plans"] or {})
    values["rules_dir"] = values["rules_dir"] or SHIPPED_RULES
    return Settings(**values)


def _value(setting: Setting, sources: list[dict[str, Given]]) -> object:
    for source in sources:
        given = source.get(setting.name)
        in_file = source.get(f"{setting.name}_file") if setting.secret else None
        if given and in_file:
            raise SettingsError(f"{given.where} and {in_file.where} are both given: leave one of them out.")
        if in_file:
            given = Given(_read(Path(in_file.text), in_file.where).rstrip("\r\n"), f"{in_file.where} ({in_file.text})")
        if given:
            return _parsed(setting, given)
    return None if setting.default is None else setting.parse(setting.default)


def _parsed(setting: Setting, given: Given) -> object:
    try:
        return setting.parse(given.text)
    except ValueError as accepted:
        shown = "its value (not shown, it is a secret)" if setting.secret else repr(given.text)
        raise SettingsError(f"{given.where}: {shown} is not accepted; give {accepted}.") from None


def _from_flags(flags: Mapping[str, str | None]) -> dict[str, Given]:
    return {name: Given(text, "--" + name.replace("_", "-")) for name, text in flags.items() if text is not None}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    # An empty variable is one not given: compose files pass `LASTBEAT_PORT: ${PORT:-}` for "no opinion".
    variables = {name: "LASTBEAT_" + name.upper() for name in _names()}
    return {name: Given(environ[variable], variable) for name, variable in variables.items() if environ.get(variable)}


def _from_file(path: Path) -> dict[str, Given]:
    """Reads nodes rather than values, so that a number stays as it was written and a key given twice is seen."""
    root = _composed(path)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f"{path} must hold lines of `name: value`, one for each setting.")
    found: dict[str, Given] = {}
    for key, value in root.value:
        line = f"{path}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or key.value not in _names():
            raise SettingsError(f"{line}: {_unknown(key)}")
        if key.value in found:
            raise SettingsError(f"{line}: `{key.value}` is given a second time; leave one of them out.")
        if not isinstance(value, yaml.ScalarNode) or value.tag == "tag:yaml.org,2002:null":
            raise SettingsError(f"{line}: `{key.value}` takes one value; leave the line out where you have none.")
        found[key.value] = Given(value.value, f"{line}, `{key.value}`")
    return found


def _composed(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(_read(path, CONFIG_VARIABLE), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # What stands in quotes is the file's own text, and may be a secret.
        problem = re.sub(r"'[^']*'", "'…'", error.problem or "it cannot be read")
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SettingsError(f"{path}, line {line} is not YAML: {problem}.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}.") from None


def _names() -> list[str]:
    return [setting.name for setting in SETTINGS] + [f"{setting.name}_file" for setting in SETTINGS if setting.secret]


def _unknown(key: yaml.Node) -> str:
    close = difflib.get_close_matches(str(key.value).lower().replace("-", "_"), _names(), n=1)
    name = f"`{key.value}`" if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
    return f"{name} is no setting; " + (f"did you mean `{close[0]}`?" if close else f"there are {', '.join(_names())}.")


def _read(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{where} names {path}, which cannot be read: {error}.") from None


def _local_url(host: str, port: int) -> str:
    # Nobody can open http://0.0.0.0: a server that listens everywhere is at least on this machine.
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


# A parser returns the value, or raises ValueError with the words that follow "give" in the sentence for the user.


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]*\.?[0-9]+", text) or not least <= float(text) <= most:
            raise ValueError(f"seconds from {least:g} to {most:g}, such as 1 or 0.5")
        return float(text)

    return parse


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?(|KiB|MiB|GiB)", text)
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if size < 65_536:
        raise ValueError("a size of at least 64 KiB: a whole number of bytes, or of KiB, MiB or GiB, such as 512MiB")
    return size


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?", text):
        raise ValueError("an address or a host name to listen on, without http:// and port, such as 0.0.0.0")
    return text


def _directory(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("the path of a directory; it is made where it is missing")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:  # no home directory to put for ~
        raise ValueError("the path of a directory, without ~") from None


def _origin(example: str) -> Callable[[str], str]:
    accepted = f"http:// or https:// with a host and, where needed, a port, such as {example}"

    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(accepted) from None
        plain = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or port == 0:
            raise ValueError(accepted)
        if text.rstrip("/") != plain or not re.fullmatch(r"[!-~]+", plain):
            raise ValueError(accepted)
        return plain

    return parse


def _api_key(text: str) -> str:
    # It travels in an HTTP header, where only visible ASCII is safe.
    if not re.fullmatch(r"[!-~]{20,200}", text):
        raise ValueError("20 to 200 letters, digits and signs of ASCII, without spaces")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,1000}", text):
        raise ValueError("the API token of InfluxDB 2 or 3, or USER:PASSWORD for InfluxDB 1, in letters, digits and signs of ASCII")
    return text


def _organization(text: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,200}", text):
        raise ValueError("the name or the id of an organization in InfluxDB 2")
    return text


def _bucket(text: str) -> str:
    # With a slash it would be a database and a retention policy, which the versions of InfluxDB do not understand alike.
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise ValueError("the name of a bucket or a database: up to 64 letters, digits, `_`, `.` and `-`")
    return text


def _password(text: str) -> str:
    if len(text) < 8:
        raise ValueError("at least 8 characters")
    return text


def _plans(text: str) -> dict[str, Plan]:
    try:
        return plans.read(Path(text).expanduser())
    except ValueError as error:
        raise ValueError(f"the path of a YAML file of plans ({error})") from None


def _rules(text: str) -> Path:
    try:
        path = Path(text).expanduser().absolute()
        if path.exists():
            return path
    except (RuntimeError, ValueError, OSError):  # no home directory to put for ~; no name that a file can have
        pass
    raise ValueError("the path of a directory of YAML files, or of one file, that exists")


def _database_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?:]+", text):
        raise ValueError("sqlite:///PATH, the only kind of control store so far")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting("host", "127.0.0.1", _host, "Address to listen on; `0.0.0.0` for all of them."),
    Setting("port", "8000", _whole(1, 65_535), "TCP port to listen on."),
    Setting("data_dir", "lastbeat-data", _directory, "Directory of all that Lastbeat keeps; made, closed to others, where missing."),
    Setting(
        "base_url",
        None,
        _origin("https://lastbeat.example.org"),
        "Address by which jobs and people reach Lastbeat, in ping URLs and links; else `http://HOST:PORT`.",
    ),
    Setting("workers", "1", _whole(1, 100), "HTTP worker processes."),
    Setting("api_key", None, _api_key, "API key of the default project, at least 20 characters; else made at the first start.", True),
    Setting("admin_password", None, _password, "Password of the pages, at least 8 characters; else made at the first start.", True),
    Setting("database_url", None, _database_url, "Control store, `sqlite:///PATH`; else `control.db` in the data directory.", True),
    Setting(
        "influxdb_url",
        None,
        _origin("http://localhost:8086"),
        "InfluxDB that keeps pings and metrics instead of the embedded store, such as `http://localhost:8086`; 1.8, 2 or 3.",
    ),
    Setting("influxdb_token", None, _token, "Its API token; `USER:PASSWORD` for InfluxDB 1.", True),
    Setting("influxdb_org", "lastbeat", _organization, "Organization, which only InfluxDB 2 asks for."),
    Setting("influxdb_bucket", "lastbeat", _bucket, "Bucket, or database in InfluxDB 1 and 3; its retention is how long points are kept."),
    Setting("rules_interval", "1", _seconds(0.1, 10), "Seconds between two evaluations of the rules."),
    Setting(
        "storm_hold", "120", _seconds(0, 3_600), "Seconds that alarms are held when most jobs fall silent at once; `0`: they never are."
    ),
    Setting("retention_days", "90", _whole(1, 36_500), "Days that outages are kept, and pings and metrics in the embedded store."),
    Setting("journal_max_bytes", "1GiB", _bytes, "Size of each worker's journal past which its pings get 503; takes KiB, MiB and GiB."),
    Setting("dashboards_dir", None, _directory, "Directory that generated Grafana dashboards are kept in; else none are."),
    Setting("rules_dir", None, _rules, "Directory of YAML files with alert rules, or one such file; else the rules that are shipped."),
    Setting("plans", None, _plans, "YAML file with more plans for projects, or with other numbers for those there are; see below."),
)
