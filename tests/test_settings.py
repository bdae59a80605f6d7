from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import make_url

from config.settings import SETTINGS, Setting, Settings, SettingsError, load

ROOT = Path(__file__).parent.parent
KEY = "lb_0123456789abcdefghij"


def written(path: Path, text: str) -> dict[str, str]:
    """An environment that names a settings file with this text."""
    path.write_text(text)
    return {"LASTBEAT_CONFIG": str(path)}


def refused(flags: dict[str, str | None], environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags, environ)
    return str(caught.value)


def test_nothing_given_is_a_server_for_this_machine_alone() -> None:
    settings = load({}, {})
    assert (settings.host, settings.port, settings.base_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.data_dir == Path.cwd() / "lastbeat-data"
    assert (settings.workers, settings.rules_interval, settings.retention_days, settings.journal_max_bytes) == (1, 1.0, 90, 1 << 30)
    assert settings.api_key is None
    assert settings.admin_password is None


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_file(tmp_path: Path) -> None:
    environ = written(tmp_path / "lastbeat.yml", "port: 1001\nworkers: 2\nretention_days: 7\n")
    environ |= {"LASTBEAT_PORT": "1002", "LASTBEAT_WORKERS": "3"}
    settings = load({"port": "1003", "workers": None}, environ)
    assert (settings.port, settings.workers, settings.retention_days) == (1003, 3, 7)


def test_an_empty_variable_is_one_not_given(tmp_path: Path) -> None:
    environ = written(tmp_path / "lastbeat.yml", "port: 1001\n")
    assert load({}, environ | {"LASTBEAT_PORT": ""}).port == 1001
    assert load({}, {"LASTBEAT_CONFIG": ""}).port == 8000


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    assert load({}, {"LASTBEAT_API_KEY_FILE": str(tmp_path / "key")}).api_key == KEY
    assert load({}, written(tmp_path / "lastbeat.yml", f"api_key_file: {tmp_path}/key\n")).api_key == KEY


def test_a_secret_given_twice_is_refused_and_a_better_source_wins(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    both = {"LASTBEAT_API_KEY": KEY, "LASTBEAT_API_KEY_FILE": str(tmp_path / "key")}
    assert refused({}, both) == "LASTBEAT_API_KEY and LASTBEAT_API_KEY_FILE are both given: leave one of them out."
    environ = written(tmp_path / "lastbeat.yml", "api_key_file: /not/there\n") | {"LASTBEAT_API_KEY": KEY}
    assert load({}, environ).api_key == KEY


def test_a_file_that_cannot_be_read_is_named_with_the_setting_that_names_it(tmp_path: Path) -> None:
    assert refused({}, {"LASTBEAT_CONFIG": "/not/there.yml"}).startswith("LASTBEAT_CONFIG names /not/there.yml, which cannot be read: ")
    assert refused({}, {"LASTBEAT_API_KEY_FILE": "/not/there"}).startswith("LASTBEAT_API_KEY_FILE names /not/there, which cannot be read")
    (tmp_path / "latin1.yml").write_bytes(b"host: caf\xe9\n")
    assert "latin1.yml, which cannot be read" in refused({}, {"LASTBEAT_CONFIG": str(tmp_path / "latin1.yml")})


def test_a_bad_value_is_named_with_where_it_came_from_and_what_is_accepted(tmp_path: Path) -> None:
    accepted = "is not accepted; give a whole number from 1 to 65535."
    assert refused({"port": "80a"}, {}) == f"--port: '80a' {accepted}"
    assert refused({}, {"LASTBEAT_PORT": "70000"}) == f"LASTBEAT_PORT: '70000' {accepted}"
    environ = written(tmp_path / "lastbeat.yml", "host: ::1\nport: 0x50\n")
    assert refused({}, environ) == f"{tmp_path}/lastbeat.yml, line 2, `port`: '0x50' {accepted}"


@pytest.mark.parametrize(
    ("name", "good", "read"),
    [
        ("host", "::1", "::1"),
        ("host", "lastbeat.example.org", "lastbeat.example.org"),
        ("data_dir", "/var/lib/lastbeat", Path("/var/lib/lastbeat")),
        ("base_url", "https://example.org:8443/", "https://example.org:8443"),
        ("base_url", "http://[::1]:8000", "http://[::1]:8000"),
        ("api_key", "x" * 20, "x" * 20),
        ("admin_password", "pass wör", "pass wör"),
        ("database_url", "sqlite:////srv/control.db", "sqlite:////srv/control.db"),
        ("rules_interval", "0.5", 0.5),
        ("journal_max_bytes", "65536", 65_536),
        ("journal_max_bytes", "64KiB", 65_536),
        ("journal_max_bytes", "3 MiB", 3 << 20),
        ("journal_max_bytes", "2GiB", 2 << 30),
    ],
)
def test_what_is_accepted(name: str, good: str, read: object) -> None:
    assert getattr(load({name: good}, {}), name) == read


@pytest.mark.parametrize(
    ("name", "bad", "accepted"),
    [
        ("host", "http://localhost", "without http:// and port"),
        ("host", "localhost:8000", "without http:// and port"),
        ("host", "", "without http:// and port"),
        ("port", "0", "from 1 to 65535"),
        ("port", "٣", "from 1 to 65535"),
        ("data_dir", "", "the path of a directory"),
        ("base_url", "example.org", "http:// or https://"),
        ("base_url", "ftp://example.org", "http:// or https://"),
        ("base_url", "https://", "http:// or https://"),
        ("base_url", "https://example.org/lastbeat", "http:// or https://"),
        ("base_url", "https://example.org?x=1", "http:// or https://"),
        ("base_url", "https://me:pw@example.org", "http:// or https://"),
        ("base_url", "http://example.org:99999", "http:// or https://"),
        ("base_url", "http://[::1", "http:// or https://"),
        ("base_url", "http://example.org:0", "http:// or https://"),
        ("influxdb_url", "localhost:8086", "such as http://localhost:8086"),
        ("influxdb_url", "http://me:pw@localhost:8086", "such as http://localhost:8086"),
        ("influxdb_org", "two\nlines", "the name or the id of an organization"),
        ("influxdb_bucket", "lastbeat/autogen", "up to 64 letters"),
        ("workers", "0", "from 1 to 100"),
        ("workers", "two", "from 1 to 100"),
        ("rules_interval", "0", "from 0.1 to 10"),
        ("rules_interval", "nan", "from 0.1 to 10"),
        ("rules_interval", "1s", "from 0.1 to 10"),
        ("retention_days", "-1", "from 1 to 36500"),
        ("retention_days", "1.5", "from 1 to 36500"),
        ("journal_max_bytes", "1GB", "KiB, MiB or GiB"),
        ("journal_max_bytes", "1.5GiB", "KiB, MiB or GiB"),
        ("journal_max_bytes", "1000", "at least 64 KiB"),
    ],
)
def test_what_is_refused(name: str, bad: str, accepted: str) -> None:
    sentence = refused({name: bad}, {})
    assert sentence.startswith(f"--{name.replace('_', '-')}: {bad!r} is not accepted; give ")
    assert accepted in sentence


@pytest.mark.parametrize(
    ("name", "bad", "accepted"),
    [
        ("api_key", "tooshort-s3cret", "20 to 200 letters"),
        ("api_key", "s3cret with a space in it", "without spaces"),
        ("admin_password", "s3cret", "at least 8 characters"),
        ("influxdb_token", "s3cret with a space", "USER:PASSWORD for InfluxDB 1"),
        ("database_url", "postgresql+psycopg://me:s3cret@db/lastbeat", "sqlite:///PATH, the only kind of control store so far"),
        ("database_url", "sqlite:///:memory:s3cret", "sqlite:///PATH"),
    ],
)
def test_a_refused_secret_is_not_shown(name: str, bad: str, accepted: str) -> None:
    sentence = refused({}, {f"LASTBEAT_{name.upper()}": bad})
    assert sentence.startswith(f"LASTBEAT_{name.upper()}: its value (not shown, it is a secret) is not accepted; give ")
    assert accepted in sentence
    assert "s3cret" not in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prot: 8000\n", "line 1: `prot` is no setting; did you mean `port`?"),
        ("DATA-DIR: /srv\n", "line 1: `DATA-DIR` is no setting; did you mean `data_dir`?"),
        ("zzz: 1\n", "line 1: `zzz` is no setting; there are host, port, data_dir"),
        ("[a]: 1\n", "line 1: a list or a mapping is no setting; there are host"),
        ("port: 1\n\nport: 2\n", "line 3: `port` is given a second time; leave one of them out."),
        ("port:\n", "line 1: `port` takes one value; leave the line out where you have none."),
        ("port: [1, 2]\n", "line 1: `port` takes one value; leave the line out where you have none."),
        ("- port\n", "must hold lines of `name: value`, one for each setting."),
        ("port: 1\n  host: x\n", "line 2 is not YAML: mapping values are not allowed here."),
        ("api_key: *s3cret\n", "line 1 is not YAML: found undefined alias '…'."),
        ("port: \a\n", "is not YAML: "),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    refusal = refused({}, written(tmp_path / "lastbeat.yml", text))
    assert refusal.startswith(f"{tmp_path}/lastbeat.yml")
    assert sentence in refusal
    assert "s3cret" not in refusal


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert load({}, written(tmp_path / "lastbeat.yml", "# port: 1\n")) == load({}, {})


def test_a_number_in_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    environ = written(tmp_path / "lastbeat.yml", "admin_password: 0123456789\njournal_max_bytes: 1 GiB\n")
    assert load({}, environ).admin_password == "0123456789"


def test_the_base_url_follows_host_and_port_where_nobody_gave_one() -> None:
    assert load({"host": "0.0.0.0", "port": "80"}, {}).base_url == "http://localhost:80"
    assert load({"host": "::"}, {}).base_url == "http://localhost:8000"
    assert load({"host": "::1"}, {}).base_url == "http://[::1]:8000"


def test_the_control_store_lies_in_the_data_directory_whatever_its_name(tmp_path: Path) -> None:
    for name in ("plain", "a b", "50%20", "what?", "c#"):
        url = load({"data_dir": str(tmp_path / name)}, {}).database_url
        assert make_url(url).database == str(tmp_path / name / "control.db")


def test_secrets_are_not_in_the_repr() -> None:
    settings = load({}, {"LASTBEAT_API_KEY": KEY, "LASTBEAT_ADMIN_PASSWORD": "pa55word", "LASTBEAT_INFLUXDB_TOKEN": "t0ken"})
    assert "t0ken" not in repr(settings)
    assert KEY not in repr(settings)
    assert "pa55word" not in repr(settings)


def test_the_table_and_the_record_name_the_same_settings() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_default_and_its_help(setting: Setting) -> None:
    variable = f"`{setting.variable}`" + (f" or `{setting.variable}_FILE`" if setting.secret else "")
    default = "" if setting.default is None else f"`{setting.default}`"
    assert f"| {variable} | {default} | {setting.help} |" in (ROOT / "docs/settings.md").read_text()


def test_every_variable_in_the_documentation_exists() -> None:
    known = {setting.variable for setting in SETTINGS} | {f"{setting.variable}_FILE" for setting in SETTINGS if setting.secret}
    rows = [line for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith("| `LASTBEAT_")]
    named = {word.strip("`") for row in rows for word in row.split("|")[1].split() if word != "or"}
    assert named == known
