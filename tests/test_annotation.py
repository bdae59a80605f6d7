from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import annotation
from rules.annotation import LENGTH_LIMIT, check, render

LABELS = {"monitor": "nightly", "team": "infra", "items": "two words"}
THERE_ARE = "there are `$labels` and `$value`"
MORE = "is more than a template may do; it has expressions, filters, `if`, and one `for` over labels"
ONE_LOOP = "a `for` goes over `$labels`, `$labels|items` or `$labels|dictsort`, and has no other within"
JINJA = "templates are Jinja's, as in `{{ $value|round(2) }}`"


def expanded(text: str, value: float | str | None = 1_234_567.0) -> str:
    assert check(text) is None
    return render({"summary": text}, LABELS, value)["summary"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ $labels.monitor }} is at {{ $value }}", "nightly is at 1234567"),
        ("{{labels.monitor}} is at {{value}}", "nightly is at 1234567"),
        ("{{ $labels['monitor'] }}", "nightly"),
        ("{{ $labels.items }}", "two words"),
        ("{{ $labels.nobody }}.", "."),
        ("it costs $value, or ${{ '$value' }}", "it costs $value, or $$value"),
        ("{% if $value > 100 %}much{% else %}little{% endif %}", "much"),
        ("{% for name, text in $labels|dictsort %}{{ name }}={{ text }};{% endfor %}", "items=two words;monitor=nightly;team=infra;"),
        ("{% for name in $labels %}{{ name }}{{ ', ' if not loop.last }}{% endfor %}", "monitor, team, items"),
        ("{{ ($value / 1000)|round(1) }} thousand", "1234.6 thousand"),
        ("{{ $value|replace('234', '') }}", "1567"),
        ("{{ $labels.monitor|upper|truncate(4, true, '', 0) }}", "NIGH"),
        ("{{ $labels.nobody|default('nobody') }}", "nobody"),
        ("no template\n", "no template\n"),
        ("{{ ''.join }}{{ $labels.monitor.__class__ }}{{ $labels.__class__ }}", ""),
    ],
)
def test_labels_and_the_value_are_put_in(text: str, shown: str) -> None:
    assert expanded(text) == shown


def test_an_alert_without_a_value_shows_none() -> None:
    assert expanded("at {{ $value }}!", None) == "at !"
    assert expanded("at {{ $value }}!", "complete") == "at complete!"


@pytest.mark.parametrize("shown", ["humanize", "humanizeDuration", "humanizeTimestamp", "round(1)"])
def test_where_there_is_no_value_nothing_is_shown(shown: str) -> None:
    assert render({"a": "[{{ $value | " + shown + " }}]"}, {}, None) == {"a": "[]"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (999.0, "999"),
        (1_234_567.0, "1.235M"),
        (-1_500.0, "-1.5k"),
        (1e25, "10Y"),
        (1e30, "1e+06Y"),
        (0.12, "120m"),
        (1e-9, "1n"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_humanize_has_four_digits_and_a_prefix(value: float, shown: str) -> None:
    assert expanded("{{ $value | humanize }}", value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0s"),
        (1.0, "1s"),
        (1.2345, "1.234s"),
        (59.9, "59.9s"),
        (60.0, "1m 0s"),
        (3_600.0, "1h 0m 0s"),
        (86_400.0, "1d 0h 0m 0s"),
        (93_784.5, "1d 2h 3m 4s"),
        (-93_784.0, "-1d 2h 3m 4s"),
        (0.012, "12ms"),
        (-1.5, "-1.5s"),
        (math.nan, "NaN"),
    ],
)
def test_humanize_duration_counts_days_to_seconds(value: float, shown: str) -> None:
    assert expanded("{{ $value | humanizeDuration }}", value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "1970-01-01 00:00:00 +0000 UTC"),
        (1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
        (-1.5, "1969-12-31 23:59:58.5 +0000 UTC"),
        (math.inf, "+Inf"),
    ],
)
def test_humanize_timestamp_is_an_instant_in_utc(value: float, shown: str) -> None:
    assert expanded("{{ $value | humanizeTimestamp }}", value) == shown


def test_a_label_that_is_a_number_is_as_good_as_the_value() -> None:
    assert render({"a": "{{ $labels.n | humanize }}"}, {"n": "12500"}, None) == {"a": "12.5k"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ $label.foo }}", "there is no `$label`, did you mean `$labels`?"),
        ("{{ $ }}", f"there is no `$`; {THERE_ARE}"),
        ("{{ $externals }}", f"there is no `$externals`; {THERE_ARE}"),
        ("{{ lables.foo }}", "there is no `lables` in templates, did you mean `$labels`?"),
        ("{{ self }}", f"there is no `self` in templates; {THERE_ARE}"),
        ("{{ $labels.last-ping }}", f"there is no `ping` in templates; {THERE_ARE}"),
        ("{{ $value|humanise }}", "there is no filter `humanise`, did you mean `humanize`?"),
        ("{{ $value is evn }}", "there is no test `evn`, did you mean `even`?"),
        ("{{", f"the template is not understood: unexpected 'end of template'; {JINJA}"),
        ("{{ .Labels.foo }}", f"the template is not understood: unexpected '.'; {JINJA}"),
        ('{{ printf "%.2f" $value }}', f"the template is not understood: expected token 'end of print statement', got 'string'; {JINJA}"),
        ("{{ 9 ** 9 ** 9 }}", f"`pow` {MORE}"),
        ("{{ 'a' ~ 'b' }}", f"`concat` {MORE}"),
        ("{{ ''.format() }}", f"`call` {MORE}"),
        ("{% set x = 1 %}", f"`assign` {MORE}"),
        ("{% macro m() %}{% endmacro %}", f"`macro` {MORE}"),
        ("{% for i in range(10**9) %}{% endfor %}", ONE_LOOP),
        ("{% for i in 'abc' %}{% endfor %}", ONE_LOOP),
        ("{% for i in $labels|join %}{% endfor %}", ONE_LOOP),
        ("{% for i in $labels %}{% for j in $labels %}{% endfor %}{% endfor %}", ONE_LOOP),
        ("{{ " + "(" * 1_000 + "1" + ")" * 1_000 + " }}", "the template is nested too deep"),
        ("{{ $value" + "|upper" * 300 + " }}", "the template is nested too deep"),
        ("{{ " + "-" * 500 + "1 }}", "the template is nested too deep"),
        ("{{ " + "9" * 5_000 + " }}", "the template has a number that is too long"),
    ],
)
def test_what_is_no_template_is_said(text: str, sentence: str) -> None:
    assert check(text) == sentence
    assert render({"a": text}, LABELS, 1.0)["a"] == f"<error expanding template: {sentence[:200]}>"


def test_a_filter_that_is_not_there_is_told_from_those_that_are() -> None:
    assert (check("{{ $value|xmlattr }}") or "").startswith("there is no filter `xmlattr`; there are abs, capitalize, ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ $labels.monitor|humanize }}", "could not convert string to float: 'nightly'"),
        ("{{ $value / 0 }}", "float division by zero"),
        ("{{ 'x' * 1000000000 }}", "* needs two numbers; the filter `float` makes one of a text"),
        ("{{ '%1000000000d' % 1 }}", "% needs two numbers; the filter `float` makes one of a text"),
        ("{{ $value > 'a' }}", "'>' not supported between instances of 'float' and 'str'"),
        ("{{ 1e12|humanizeTimestamp }}", "date value out of range"),
    ],
)
def test_a_template_that_fails_says_so_in_its_place(text: str, reason: str) -> None:
    assert expanded(text) == f"<error expanding template: {reason}>"
    assert render({"a": text, "b": "{{ $value }}"}, LABELS, 1.0)["b"] == "1"


def test_what_a_template_makes_is_bounded() -> None:
    many = {f"name{n}": "x" * 1_000 for n in range(100)}
    text = "{% for n in $labels %}{{ $labels[n] }}{% endfor %}"
    assert render({"a": text}, many, None)["a"] == "x" * (LENGTH_LIMIT - 1) + "…"
    assert render({"a": "y" * 3_000}, {}, None)["a"] == "y" * (LENGTH_LIMIT - 1) + "…"


def test_a_template_that_wants_to_take_long_does_not() -> None:
    many = {f"name{n}": "x" * 1_000 for n in range(60)}
    costly = "{% for n in $labels %}{% if ($labels[n]" + "|replace('x', 'xx')" * 20 + ") == 'x' %}x{% endif %}{% endfor %}"
    assert check(costly) is None
    start = time.process_time()
    assert render({"a": costly}, many, None)["a"] == ""
    assert time.process_time() - start < 5


PIECES = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "$labels",
    "$value",
    ".monitor",
    "|",
    "humanize",
    "(",
    ")",
    "'",
    '"',
    " ",
    "for",
    "in",
    "if",
    "x",
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)), st.floats())
def test_no_text_whatever_makes_it_raise(text: str, value: float) -> None:
    check(text)
    assert len(render({"a": text}, LABELS, value)["a"]) <= annotation.LENGTH_LIMIT
