from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influx import DATABASE, Influx

from store.model import SECOND, Ns, Ping, Transition, new_id
from store.points import STATUS_NUMBERS
from store.points.influx import InfluxPoints
from store.points.lines import encoded, from_source, label, ping_lines, source_of, state_line, text_of

AT: Ns = 1_700_000_000 * SECOND

# Lone surrogates cannot be written as UTF-8; all else can come.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text("\\ ,=\"'\n\r\t\0\x7f%$/`{}", max_size=12)
KEYS = TEXTS.filter(bool)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def test_a_ping_is_a_line_for_itself_and_one_for_each_of_its_values() -> None:
    ping = Ping(AT, "mon_1", kind="fail", numbers={"load": 1.0, "n": 1e21}, texts={"host": 'a "b"\\'}, duration=2.5, exit_status=3)
    assert ping_lines(ping) == [
        f"hb_ping,kind=fail,monitor=mon_1 n=1,duration=2.5,exit=3.0 {AT}",
        f"hb_metric,metric=load,monitor=mon_1 value=1.0 {AT}",
        f"hb_metric,metric=n,monitor=mon_1 value=1e+21 {AT}",
        f'hb_text,metric=host,monitor=mon_1 text="a \\"b\\"\\\\" {AT}',
    ]


def test_a_whole_number_is_a_float_like_every_other() -> None:
    assert ping_lines(Ping(AT, "mon_1", numbers={"n": 5}))[1] == f"hb_metric,metric=n,monitor=mon_1 value=5.0 {AT}"


def test_a_transition_is_a_line_with_its_number_and_its_name() -> None:
    transition = Transition("mon_1", AT, "up", "down", "missed")
    assert state_line(transition) == f'hb_state,monitor=mon_1 status={STATUS_NUMBERS["down"]},name="down" {AT}'


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("plain", "plain"),
        ("disk free_pct", r"disk\ free_pct"),
        ("a,b=c", r"a\,b\=c"),
        ("trail\\", "trail%5C"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("line\nfeed\0", "line%0Afeed%00"),
        ("日本", "日本"),
    ],
)
def test_a_key_becomes_a_tag_that_the_protocol_can_carry(key: str, tag: str) -> None:
    assert ping_lines(Ping(AT, "m", numbers={key: 1.0}))[1] == f"hb_metric,metric={tag},monitor=m value=1.0 {AT}"


@given(TEXTS)
def test_a_label_reads_back_as_the_text_it_stands_for(text: str) -> None:
    assert text_of(label(text)) == text


@pytest.mark.parametrize(
    "source", [(None, None), ("192.0.2.1", None), (None, "curl/8 (x; y)"), ("2001:db8::1", "a  b "), ("::1", ""), (None, "")]
)
def test_address_and_agent_share_a_field(source: tuple[str | None, str | None]) -> None:
    assert from_source(source_of(Ping(AT, "m", remote_addr=source[0], user_agent=source[1]))) == source


def test_a_lone_surrogate_is_written_as_a_question_mark() -> None:
    assert encoded(["a\ud800", "b"]) == b"a?\nb"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    server = Influx(tmp_path_factory.mktemp("influx"))
    yield server.start()
    server.end()


@pytest.fixture(scope="module")
def points(influx: Influx) -> Iterator[InfluxPoints]:
    store = InfluxPoints(influx.url, DATABASE, "lastbeat", None, lambda: AT)
    yield store
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    numbers=st.dictionaries(KEYS, FLOATS, max_size=4),
    texts=st.dictionaries(KEYS, TEXTS, max_size=4),
    log=st.none() | TEXTS,
    problem=st.none() | TEXTS,
    agent=st.none() | TEXTS,
    duration=st.none() | FLOATS,
    exit_status=st.none() | st.integers(0, 255),
)
def test_every_ping_comes_back_from_a_real_influxdb_as_it_was(
    points: InfluxPoints,
    numbers: dict[str, float],
    texts: dict[str, str],
    log: str | None,
    problem: str | None,
    agent: str | None,
    duration: float | None,
    exit_status: int | None,
) -> None:
    ping = Ping(
        AT, new_id("mon"), "log", numbers, texts, log=log, problem=problem, duration=duration, exit_status=exit_status, user_agent=agent
    )
    assert points.write([ping]) == []
    assert points.pings(ping.monitor, limit=2) == [ping]
    for key in numbers:
        (bucket,) = points.buckets(ping.monitor, [key], AT, AT + 1, SECOND)[key]
        assert bucket.avg == numbers[key]


def test_transitions_are_rows_that_grafana_can_draw(points: InfluxPoints, influx: Influx) -> None:
    states = [Transition("mon_s", AT, "new", "up", "ping"), Transition("mon_s", AT + SECOND, "up", "down", "missed")]
    assert points.write_states(states) == []
    assert influx.rows("SELECT status, \"name\" FROM hb_state WHERE monitor = 'mon_s'") == [
        {"time": AT, "status": 1, "name": "up"},
        {"time": AT + SECOND, "status": 2, "name": "down"},
    ]
