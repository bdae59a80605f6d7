"""The texts that a rule adds to what is said, with the labels and the value of the alert put in: Jinja2, under Prometheus' names.

Rule files come from an operator's hand and over the API, so a template can do little: it calls and assigns nothing, has a few filters,
and one loop over labels. That bounds what it makes, and how long it takes.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

from rules import samples

LENGTH_LIMIT: Final = 2_000
DEPTH_LIMIT: Final = 30  # Jinja takes minutes to compile a chain of some hundred filters
# What every alert has; a rule's own labels come beside these.
GIVEN: Final = ("alertname", "monitor", "monitor_id", "type", "metric", "last_ping", "reason")

_NAMES: Final = ("labels", "value")
# What lies around expressions stays as it is, and so do strings within them: there a `$` is a letter like others.
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_DOLLAR: Final = re.compile(r""""[^"]*"|'[^']*'|\$(\w*)""")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)

_ACCEPTED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Keyword, nodes.If, nodes.CondExpr, nodes.For, nodes.Tuple, nodes.List),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_HARMLESS: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join", "last", "length"),
    *("lower", "string", "title", "trim", "truncate", "upper", "urlencode"),
)


@lru_cache(maxsize=2_000)
def check(text: str) -> str | None:
    """Why `text` cannot be an annotation, as a sentence; None if it can."""
    if "{" not in text:
        return None
    try:
        tree = _environment.parse(_jinja(text))
    except jinja2.TemplateSyntaxError as error:
        reason = (error.message or "")[:200].rstrip(".")
        return f"the template is not understood: {reason}; templates are Jinja's, as in `{{{{ $value|round(2) }}}}`"
    except _NoSuchName as name:
        return str(name)
    except RecursionError:
        return "the template is nested too deep"
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        return "the template has a number that is too long"
    layer: list[nodes.Node] = [tree]
    for _ in range(DEPTH_LIMIT):
        for node in layer:
            sentence = _objection(node)
            if sentence is not None:
                return sentence
        layer = [child for node in layer for child in node.iter_child_nodes()]
    return "the template is nested too deep" if layer else _unknown(tree)


def render(annotations: Mapping[str, str], labels: Mapping[str, str], value: float | str | None) -> dict[str, str]:
    """The annotations with labels and value put in. Never raises: what fails says so in its text, and the alert goes out all the same."""
    return {name: _expanded(text, labels, value) for name, text in annotations.items()}


def _expanded(text: str, labels: Mapping[str, str], value: float | str | None) -> str:
    found = ""
    try:
        for piece in _template(text).generate(labels=dict(labels), value=value):
            found += piece
            if len(found) > LENGTH_LIMIT:
                return found[: LENGTH_LIMIT - 1] + "…"
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not keep an alert from going out
        return f"<error expanding template: {(str(error) or type(error).__name__)[:200]}>"
    return found


@lru_cache(maxsize=1_000)
def _template(text: str) -> jinja2.Template:
    sentence = check(text)
    if sentence is not None:
        raise ValueError(sentence)
    return _environment.from_string(_jinja(text))


class _NoSuchName(Exception):
    """A sentence on what begins with a `$` in a template, and is none of ours."""


def _jinja(text: str) -> str:
    """The text with `$labels` and `$value` as Jinja can read them."""
    return _EXPRESSION.sub(lambda expression: _DOLLAR.sub(_without_dollar, expression[0]), text)


def _without_dollar(found: re.Match[str]) -> str:
    name: str | None = found[1]
    if name is None:
        return found[0]
    if name not in _NAMES:
        raise _NoSuchName(f"there is no `${name[:40]}`{_meant(name)}")
    return name


def _objection(node: nodes.Node) -> str | None:
    if not isinstance(node, _ACCEPTED):
        kind = type(node).__name__.lower()
        return f"`{kind}` is more than a template may do; it has expressions, filters, `if`, and one `for` over labels"
    if isinstance(node, nodes.Filter) and node.name not in _environment.filters:
        return f"there is no filter `{node.name[:40]}`{_near(node.name, _environment.filters)}"
    if isinstance(node, nodes.Test) and node.name not in _environment.tests:
        return f"there is no test `{node.name[:40]}`{_near(node.name, _environment.tests)}"
    if isinstance(node, nodes.Name) and node.name == "self":
        return f"there is no `self` in templates{_meant(node.name)}"
    if isinstance(node, nodes.For) and (not _over_labels(node.iter) or next(node.find_all(nodes.For), None) is not None):
        return "a `for` goes over `$labels`, `$labels|items` or `$labels|dictsort`, and has no other within"
    return None


def _over_labels(node: nodes.Node | None) -> bool:
    if isinstance(node, nodes.Filter) and node.name in ("items", "dictsort"):
        node = node.node
    return isinstance(node, nodes.Name) and node.name == "labels"


def _unknown(tree: nodes.Template) -> str | None:
    unknown = sorted(meta.find_undeclared_variables(tree) - set(_NAMES))
    return f"there is no `{unknown[0][:40]}` in templates{_meant(unknown[0])}" if unknown else None


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name[:40].lower(), _NAMES, n=1)
    return f", did you mean `${close[0]}`?" if close else "; there are `$labels` and `$value`"


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:40], known, n=1)
    return f", did you mean `{close[0]}`?" if close else f"; there are {', '.join(sorted(name for name in known if name.isalpha()))}"


def _where_there_is_one(shown: Callable[[Any], str]) -> Callable[[Any], str]:
    """Nothing where there is no value: the alert of a monitor without data has none."""
    return lambda value: "" if value is None else shown(value)


def _humanize(value: Any) -> str:
    """Four significant digits and a metric prefix: `1.235M`, `12.5m`."""
    number = float(value)
    if number == 0 or not math.isfinite(number):
        return _four(number)
    if abs(number) < 1:
        return _small(number)
    prefix = ""
    for letter in "kMGTPEZY":
        if abs(number) < 1_000:
            break
        prefix, number = letter, number / 1_000
    return _four(number) + prefix


def _humanize_duration(value: Any) -> str:
    """Seconds as days, hours, minutes and seconds: `1d 2h 0m 5s`, `1.5s`, `12ms`."""
    number = float(value)
    if not math.isfinite(number):
        return _four(number)
    if 0 < abs(number) < 1:
        return _small(number) + "s"
    minutes, seconds = divmod(int(abs(number)), 60)
    if not minutes:
        return _four(number) + "s"
    parts = [(minutes // 1_440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "m"), (seconds, "s")]
    first = next(n for n, (count, _) in enumerate(parts) if count)
    return ("-" if number < 0 else "") + " ".join(f"{count}{unit}" for count, unit in parts[first:])


def _humanize_timestamp(value: Any) -> str:
    """Seconds since the epoch as an instant, UTC: `2026-01-05 00:00:00 +0000 UTC`."""
    number = float(value)
    if not math.isfinite(number):
        return _four(number)
    at = _EPOCH + timedelta(milliseconds=math.floor(number * 1_000))
    fraction = f"{at:.%f}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _small(number: float) -> str:
    prefix = ""
    for letter in "munpfazy":
        if abs(number) >= 1:
            break
        prefix, number = letter, number * 1_000
    return _four(number) + prefix


def _four(number: float) -> str:
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return "NaN" if math.isnan(number) else f"{number:.4g}"


def _round(value: Any, digits: int = 0) -> float | None:
    return None if value is None else round(float(value), max(-300, min(digits, 300)))


def _replace(value: Any, old: Any, new: Any) -> str:
    return str(_shown(value))[:LENGTH_LIMIT].replace(str(old), str(new)[:LENGTH_LIMIT])[:LENGTH_LIMIT]


def _shown(value: Any) -> Any:
    """A number as its owner wrote it, without a needless `.0`; nothing where there is no value."""
    if isinstance(value, float):
        return samples.number(value)
    return "" if value is None else value


class _Environment(SandboxedEnvironment):
    """Labels and loops are all that has members, and only numbers are calculated with: a text times a number could fill the memory."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return obj[attribute] if isinstance(obj, dict) and attribute in obj else self.undefined(obj=obj, name=attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TypeError(f"{operator} needs two numbers; the filter `float` makes one of a text")
        return super().call_binop(context, operator, left, right)


def _made() -> _Environment:
    made = _Environment(finalize=_shown, keep_trailing_newline=True)
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _HARMLESS} | {
        "humanize": _where_there_is_one(_humanize),
        "humanizeDuration": _where_there_is_one(_humanize_duration),
        "humanizeTimestamp": _where_there_is_one(_humanize_timestamp),
        "replace": _replace,
        "round": _round,
    }
    return made


_environment: Final = _made()
