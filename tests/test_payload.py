from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.payload import KEYS_LIMIT, LOG_LIMIT, MAX_BODY, METRICS_LIMIT, Payload, read, strict, too_large, too_many_keys

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def _refusal(body: bytes | str, content_type: str = JSON) -> tuple[int, str]:
    payload = read(body.encode() if isinstance(body, str) else body, content_type)
    assert payload.problem is not None, payload
    assert (payload.numbers, payload.texts, payload.log) == ({}, {}, None), "metrics are refused whole"
    payload.problem.sentence.encode()
    return payload.problem.status, payload.problem.sentence


@pytest.mark.parametrize("content_type", [JSON, FORM, "text/plain", ""])
@pytest.mark.parametrize("body", [b"", b"\n", b" \t\r\n"])
def test_nothing_is_a_plain_heartbeat_whatever_its_type(body: bytes, content_type: str) -> None:
    assert read(body, content_type) == Payload()


@pytest.mark.parametrize("content_type", [JSON, FORM])
@pytest.mark.parametrize("body", [b"{}", b" { } \n"])
def test_an_empty_object_is_a_plain_heartbeat(body: bytes, content_type: str) -> None:
    assert read(body, content_type) == Payload()


def test_numbers_and_texts_are_told_apart() -> None:
    payload = read(b'{"duration_ms": 1234, "ratio": -5e-3, "status": "complete", "version": "2"}', JSON)
    assert payload == Payload({"duration_ms": 1234.0, "ratio": -0.005}, {"status": "complete", "version": "2"})
    assert isinstance(payload.numbers["duration_ms"], float)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        " application/json ;x=y",
        "application/vnd.api+json",
        "APPLICATION/CloudEvents+JSON;charset=UTF-8",
    ],
)
def test_a_json_type_is_known_by_its_essence(content_type: str) -> None:
    assert read(b"[1]", content_type).problem is not None


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp", "text/json-like", "multipart/form-data; boundary=+json"])
def test_any_other_type_is_a_log(content_type: str) -> None:
    assert read(b"[1]", content_type) == Payload(log="[1]")


@pytest.mark.parametrize(
    "key", ["duration_ms", "CPU %", "größe", "a,b=c d", 'quote"key', "back\\slash", "time", "日本", "'; drop table", "k" * 64, "🚀" * 64]
)
def test_any_printable_key_is_taken(key: str) -> None:
    assert read(json.dumps({key: 1.5}).encode(), JSON) == Payload({key: 1.5})
    assert read(json.dumps({key: 1.5}, ensure_ascii=False).encode(), JSON) == Payload({key: 1.5})


@pytest.mark.parametrize(
    "body", ['{"": 1}', '{"' + "k" * 65 + '": 1}', '{"a\\u0000b": 1}', '{"line\\n": 1}', '{"\\u001b[31m": "red"}', '{"\\u200b": 1}']
)
def test_any_other_key_is_refused(body: str) -> None:
    status, sentence = _refusal(body)
    assert status == 400 and "1 to 64 printable characters" in sentence and len(sentence) < 200


@pytest.mark.parametrize(
    "body", ['{"a": 1, "a": 2}', '{"a": 1, "a": 1}', '{"a": 1, "b": 2, "a": "x"}', '{"a": 1, "\\u0061": 2}', '{"a:b": "x,y:z", "a:b": ""}']
)
def test_a_key_comes_once(body: str) -> None:
    status, sentence = _refusal(body)
    assert status == 400 and "comes twice" in sentence


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("true", "'a' is true"),
        ("false", "'a' is false"),
        ("null", "'a' is null"),
        ("[1]", "'a' is an array"),
        ('{"b": 1}', "'a' is an object"),
        ("NaN", "'a' is NaN"),
        ("Infinity", "'a' is Infinity"),
        ("-Infinity", "'a' is -Infinity"),
        ("1e999", "'a' is 1e999"),
        ("-1e999", "'a' is -1e999"),
        ("9" * 400, f"'a' is {'9' * 39}…"),
        (r'"\ud800"', "half of a surrogate pair"),
        (r'"\ude00\ud83d"', "half of a surrogate pair"),
    ],
)
def test_any_other_value_is_refused_by_name(value: str, what: str) -> None:
    status, sentence = _refusal('{"good": 1, "a": ' + value + "}")
    assert status == 400 and what in sentence and ("accepted are" in sentence or "send whole" in sentence)


def test_half_a_surrogate_in_a_key_is_refused() -> None:
    assert "'\\ud800' is not accepted" in _refusal(r'{"\ud800": 1}')[1]


def test_numbers_up_to_the_end_of_floats_are_taken() -> None:
    assert read(b'{"a": 1.7976931348623157e308, "b": 1e-999, "c": -0}', JSON).numbers == {"a": 1.7976931348623157e308, "b": 0.0, "c": 0.0}
    assert read(('{"a": ' + "9" * 308 + "}").encode(), JSON).numbers == {"a": 1e308}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("[1, 2]", "an array"),
        ("3", "the number 3"),
        ("NaN", "are NaN"),
        ('"text"', "the string 'text'"),
        ("null", "null"),
        ("true", "true"),
        ('[{"a": 1}]', "an array"),
    ],
)
def test_what_is_no_object_is_refused(body: str, what: str) -> None:
    status, sentence = _refusal(body)
    assert status == 400 and f"{what}; send one flat object" in sentence


@pytest.mark.parametrize(
    "body",
    ['{"a": 1', "{'a': 1}", '{"a": 1}}', '{"a": 01}', '{"a": +1}', '{"a": .5}', '{"a": 1,}', '{"a": "tab\there"}', "nan", "{a: 1}", "\0"],
)
def test_what_is_no_json_is_refused_with_the_place(body: str) -> None:
    status, sentence = _refusal(body)
    assert status == 400 and sentence.startswith("the body is not JSON: ") and " at character " in sentence


@pytest.mark.parametrize(
    "body", [b"\xff\xfe{}", b'{"a": "\xe4"}', b'{"\xc0\x80": 1}', b'{"a": "\xed\xa0\x80"}', '{"a": 1}'.encode("utf-16")]
)
def test_what_is_no_utf_8_is_refused(body: bytes) -> None:
    status, sentence = _refusal(body)
    assert status == 400 and sentence.startswith("the body is not UTF-8: byte 0x")


def test_a_byte_order_mark_before_json_is_ignored() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}', JSON) == read(b'\xef\xbb\xbf{"a": 1}', FORM) == Payload({"a": 1.0})
    assert "byte 0xff at position 6" in _refusal(b'\xef\xbb\xbf{"a":"\xff"}')[1]


@pytest.mark.parametrize("body", ["[" * 1024, '{"a":' * 200, '{"a":' * 170 + "1" + "}" * 170, "[" * 512 + "]" * 512])
def test_deep_nesting_is_refused_and_nothing_worse(body: str) -> None:
    assert _refusal(body)[0] == 400
    assert read(body.encode(), "text/plain") == Payload(log=body)


def _of_size(size: int) -> bytes:
    head = b'{"a": 1, "text": "'
    return head + b"x" * (size - len(head) - 2) + b'"}'


def test_1024_bytes_of_metrics_fit_and_one_more_does_not() -> None:
    assert read(_of_size(METRICS_LIMIT), JSON).numbers == {"a": 1.0}
    status, sentence = _refusal(_of_size(METRICS_LIMIT + 1))
    assert (status, sentence) == (413, "the metrics have 1,025 bytes; at most 1,024 are accepted")


def test_one_body_has_at_most_100_keys() -> None:
    assert len(read(json.dumps({f"{n}": n for n in range(100)}, separators=(",", ":")).encode(), JSON).numbers) == KEYS_LIMIT
    status, sentence = _refusal(json.dumps({f"{n}": 1 for n in range(101)}, separators=(",", ":")))
    assert status == 400 and "101 keys; at most 100" in sentence


def test_too_many_keys_of_a_monitor_is_a_sentence_of_its_own() -> None:
    problem = too_many_keys(100)
    assert problem.status == 400 and "at most 100" in problem.sentence


def test_over_a_mebibyte_is_refused_whatever_its_type() -> None:
    assert _refusal(b"x" * (MAX_BODY + 1), "text/plain") == (413, "the body has 1,048,577 bytes; at most 1,048,576 are accepted")
    assert read(b"x" * MAX_BODY, "text/plain").problem is None
    assert too_large(MAX_BODY + 1) == read(b"x" * (MAX_BODY + 1), "text/plain")


def test_curl_d_without_a_header_still_carries_metrics() -> None:
    assert read(b'{"a": 7}', FORM) == read(b' \n{"a": 7}\n', "") == Payload({"a": 7.0})


@pytest.mark.parametrize(
    "body",
    ['{"a": {"b": 1}}', '{"a": 1, "a": 2}', '{"a": true}', '{"a": 1', "{broken}", '{"' + "k" * 65 + '": 1}', '{"a": "' + "x" * 1024 + '"}'],
)
def test_a_text_that_is_no_metrics_is_a_log_and_no_problem(body: str) -> None:
    assert read(body.encode(), "text/plain") == Payload(log=body)


def test_a_log_keeps_its_last_10000_bytes() -> None:
    log = read(b"x" * 20_000 + b"END", "text/plain").log
    assert log is not None and len(log) == LOG_LIMIT and log.endswith("xEND")


@pytest.mark.parametrize("character", ["é", "✓", "🚀"])
@pytest.mark.parametrize("shift", range(4))
def test_the_cut_leaves_no_half_character_at_the_front(character: str, shift: int) -> None:
    log = read((character * 5_000 + "." * shift).encode(), "text/plain").log
    width = len(character.encode())
    assert log == character * ((LOG_LIMIT - shift) // width) + "." * shift


def test_bytes_that_are_no_text_are_kept_as_well_as_they_can_be() -> None:
    assert read(b"\xff\xfe not utf-8 \x00 \x1b[31m", "text/plain").log == "\ufffd\ufffd not utf-8 \ufffd \x1b[31m"
    log = read(b"\x80" * 30_000, "text/plain").log
    assert log is not None and LOG_LIMIT - 3 <= len(log) <= LOG_LIMIT


def test_nul_in_a_text_value_is_made_harmless_and_the_rest_kept() -> None:
    assert read(rb'{"a": "x\u0000y\u001b\n"}', JSON).texts == {"a": "x\ufffdy\x1b\n"}
    assert read(rb'{"a": "x\u0000y: 1, 2"}', JSON).texts == {"a": "x\ufffdy: 1, 2"}


_literals = st.one_of(
    st.integers(-(10**320), 10**320).map(str),
    st.floats().map(json.dumps),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.text(max_size=12).map(json.dumps),
    st.text(alphabet=':,"\\{}é\0\ud800', max_size=8).map(json.dumps),
    st.sampled_from(["true", "null", "[]", "{}", '{"a":1}', "NaN", "1e999", '""', "01", "-", '"\\ud800"']),
)
_keys = st.one_of(st.sampled_from(['"a"', '"\\u0061"', '"b"', '"a:b"', '""', '"a,b"']), st.text(max_size=70).map(json.dumps))
_objects = st.lists(st.tuples(_keys, _literals), max_size=6).map(lambda members: "{" + ",".join(f"{k}:{v}" for k, v in members) + "}")


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """Objects right and wrong, some of them with a byte changed."""
    body = bytearray(draw(_objects).encode(errors="surrogatepass"))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(body)))
        change = st.binary(max_size=2) | st.sampled_from([b",", b":", b'"', b"\\", b"\xef\xbb\xbf"])
        body[place : place + draw(st.integers(0, 2))] = draw(change)
    return bytes(body[:METRICS_LIMIT])


@given(_bodies())
def test_the_quick_way_and_the_strict_way_agree(body: bytes) -> None:
    assert read(body, JSON) == (strict(body) if body.strip() else Payload())


_printable = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=64)
_values = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.text()


@given(st.dictionaries(_printable, _values, max_size=8), st.booleans())
def test_flat_metrics_come_back_as_they_went(metrics: dict[str, float | str], escaped: bool) -> None:
    body = json.dumps(metrics, ensure_ascii=escaped).encode()
    assume(len(body) <= METRICS_LIMIT)
    numbers = {key: float(value) for key, value in metrics.items() if not isinstance(value, str)}
    texts = {key: value.replace("\0", "\ufffd") for key, value in metrics.items() if isinstance(value, str)}
    assert read(body, JSON) == Payload(numbers, texts)


@given(st.binary(max_size=300) | st.binary(min_size=9_990, max_size=10_010), st.sampled_from([JSON, FORM, "text/plain"]))
def test_no_body_makes_it_raise(body: bytes, content_type: str) -> None:
    payload = read(body, content_type)
    assert payload.log is None or len(payload.log) <= LOG_LIMIT
    assert payload.log is None or "\0" not in payload.log
