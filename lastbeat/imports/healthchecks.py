"""Reads the checks of one project of a Healthchecks over its API v3. Nothing is changed there."""

from __future__ import annotations

import re
import socket
import ssl
from collections import Counter
from collections.abc import Iterable, Sequence
from http.client import HTTPException, HTTPMessage, RemoteDisconnected
from typing import IO, Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from lastbeat.imports.intake import Found, Source, SourceError

_SECONDS: Final = 30  # that the server may be silent
_MOST: Final = 64 << 20  # bytes of an answer; a thousand checks take one MiB

T = TypeVar("T")


class Check(msgspec.Struct, kw_only=True):
    """As much of a check as is looked at. A read-only key is shown `unique_key` instead of `ping_url`; older versions know less."""

    name: str = ""
    slug: str = ""
    tags: str = ""
    desc: str = ""
    status: str = ""
    grace: int
    timeout: int | None = None
    schedule: str | None = None
    tz: str = "UTC"
    methods: str = ""
    manual_resume: bool = False
    filter_subject: bool | None = None
    filter_body: bool | None = None
    filter_http_body: bool | None = None
    ping_url: str | None = None
    unique_key: str | None = None

    @property
    def token(self) -> str:
        return (self.ping_url or "").rpartition("/")[2]

    @property
    def title(self) -> str:
        # Not the whole token, which is a secret: names are told to everybody who is notified.
        return self.name.strip() or self.slug or f"check {self.token[:8]}"


class Channel(msgspec.Struct):
    name: str
    kind: str


class Checks(msgspec.Struct):
    """What `/api/v3/checks/` answers."""

    checks: list[Check]


class Channels(msgspec.Struct):
    """What `/api/v3/channels/` answers."""

    channels: list[Channel]


def base(url: str) -> str:
    """The address of a Healthchecks without a slash at its end. ValueError with a sentence where it cannot be one."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url) or "@" in url:
        raise ValueError(f"{url!r} is no address of a Healthchecks; give it as its pages have it, such as https://healthchecks.example.org")
    return url.rstrip("/")


def read(url: str, key: str) -> Source:
    """All checks of the project that `key` opens; `url` has passed `base`. Raises SourceError."""
    checks = _get(f"{url}/api/v3/checks/", key, Checks).checks
    if any(check.ping_url is None for check in checks):
        raise SourceError(
            f"{url} shows no ping URLs to this API key, because it is a read-only one: give the read-write key of the project, "
            "from its Settings page there"
        )
    channels = _get(f"{url}/api/v3/channels/", key, Channels).channels
    return Source(f"Checks of {url}", [_found(check) for check in checks], list(_remarks(checks, channels)), _advice(checks))


def _found(check: Check) -> Found:
    definition: dict[str, Any] = {
        "name": check.title,
        "slug": check.slug or None,
        "tags": list(dict.fromkeys(check.tags.split())),
        "gracePeriod": check.grace,
        "maxRunTime": check.grace,  # there, a run that has begun is to end within the grace time
        "methods": check.methods,
    }
    if check.schedule is None:
        definition["interval"] = check.timeout
    else:
        definition |= {"schedule": check.schedule, "timezone": check.tz}
    return Found(check.title, check.token, definition, check.status == "paused", _objection(check))


def _objection(check: Check) -> str | None:
    if check.schedule is None or ("\n" not in check.schedule.strip() and len(check.schedule.split()) == 5):
        return None
    return (
        f"its schedule {check.schedule!r} is an OnCalendar expression, and schedules here are cron expressions of five fields; "
        "give the check one of those there, and import again"
    )


def _remarks(checks: Sequence[Check], channels: Sequence[Channel]) -> Iterable[str]:
    if paused := [check.title for check in checks if check.status == "paused" and not check.manual_resume]:
        yield f"A ping ends the pause of a check there, but not here, where you resume it: {_listed(paused)}."
    if by_body := [check.title for check in checks if check.filter_http_body]:
        yield (
            "Words in the body of a ping (filter_http_body) decide nothing here: every ping is a success unless its URL says otherwise, "
            f"as …/fail does: {_listed(by_body)}."
        )
    if by_mail := [check.title for check in checks if check.filter_subject or check.filter_body]:
        yield f"Pings by e-mail are not received here, and so their keywords fall away: {_listed(by_mail)}."
    if described := sum(bool(check.desc) for check in checks):
        yield f"Descriptions: monitors have none here ({described} of {len(checks)} checks have one)."
    if channels:
        listed = _listed(sorted(f"{channel.name or 'unnamed'} ({channel.kind})" for channel in channels))
        yield f"Notification channels, of which the API tells no more than names, are to be set up anew here: {listed}."
    if checks:
        yield "The history of pings and the badges are not taken over."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in Counter(names).items())


def _advice(checks: Sequence[Check]) -> str:
    ends = sorted({(check.ping_url or "").removesuffix(check.token) for check in checks})
    armed = 'Each monitor is "new" until its first ping arrives here: watch which ones stay so.'
    if not ends:
        return armed
    moved = [end for end in ends if urlsplit(end).path != "/ping/"]
    if moved:
        return f"Jobs ping {moved[0]}<uuid>. Here the path is /ping/<uuid>: let a proxy rewrite it, or change the URLs in the jobs. {armed}"
    names = " and ".join(urlsplit(end).netloc for end in ends)
    return f"Jobs ping {' and '.join(ends)}<uuid>: point the name {names} to Lastbeat, which answers the same paths. {armed}"


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer: the key is meant for the address that was given."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> None:
        return None


def _get(address: str, key: str, kind: type[T]) -> T:
    headers = {"X-Api-Key": key, "Accept": "application/json", "User-Agent": "lastbeat"}
    request = Request(address, headers=headers)  # noqa: S310  # `base` lets nothing but HTTP pass
    try:
        with build_opener(_NoRedirect).open(request, timeout=_SECONDS) as reply:
            body = reply.read(_MOST + 1)
            form = reply.headers.get_content_type()
    except HTTPError as error:
        with error:
            raise SourceError(f"{address} {_refusal(error)}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise SourceError(f"{address} cannot be read: {_reason(error)}") from None
    return _decoded(address, body, form, kind)


def _decoded(address: str, body: bytes, form: str, kind: type[T]) -> T:
    if len(body) > _MOST:
        raise SourceError(f"{address} does not end after {_MOST >> 20} MiB, so it is no Healthchecks")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise SourceError(
            f"{address} answers otherwise than API v3 of Healthchecks does ({error}): give the address of Healthchecks itself"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        if form == "application/json":
            raise SourceError(f"{address} answers with JSON that breaks off or is damaged; try again") from None
        raise SourceError(
            f"{address} answers with {form}, and not with JSON: give the address of Healthchecks itself; "
            "where a proxy asks visitors to log in, it has to let /api/ pass"
        ) from None


def _refusal(error: HTTPError) -> str:
    match error.code:
        case 401 | 403:
            return f"refuses the API key ({error.code}): give the read-write key of the project, from its Settings page there"
        case 404:
            return (
                "is not there (404): give the address at which the pages of Healthchecks open; one that is older than its API v3 has to "
                "be updated first"
            )
        case 429:
            return "asks for less haste (429): try again in a minute"
        case code if 300 <= code < 400:
            return f"answers {code}, a redirect to {error.headers.get('location', 'nowhere')}: give the address that is meant"
        case code:
            return f"answers {code} {error.reason}: look into the log of Healthchecks"


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, BaseException) else error
    match cause:
        case TimeoutError():
            return f"no answer within {_SECONDS} s; try again, or look after that server"
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({cause.verify_message}); for an authority of your own, name the file of its certificate "
                "in SSL_CERT_FILE"
            )
        case ssl.SSLError():
            return f"no TLS with it ({(cause.reason or 'handshake failed').lower().replace('_', ' ')}); it may speak http:// only"
        case socket.gaierror():
            return "its name is not known; check the address"
        case RemoteDisconnected():
            return "it closed the connection without an answer; try again, or look after that server"
        case OSError() if cause.strerror:
            return f"{cause.strerror.lower()}; check the address, and that the server runs"
        case _:
            return f"its answer is no HTTP ({type(cause).__name__}); check the address"
