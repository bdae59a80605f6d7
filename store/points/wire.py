"""The connection to InfluxDB: requests of influxdb-client's, and what their answers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from store.points import Away, PointsError

_CONNECTIONS = 10  # as many as there are threads that ask
_WRITE_MS = (3_000, 15_000)  # to connect, to answer; `serve` waits for it at its end
_READ_MS = (3_000, 5_000)
_WINDOW_MS = (3_000, 30_000)  # of 10,000 monitors and more, for whom no page waits
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Found(NamedTuple):
    """One series of an answer."""

    tags: dict[str, str]
    rows: list[list[Any]]


class Unspeakable(PointsError):
    """InfluxDB found an infinite number, for which JSON has no word."""


class Wire:
    """One bucket of one InfluxDB. Threads may share it; nothing is sent before the first call. Raises `Away` while it does not work."""

    def __init__(self, url: str, bucket: str, org: str, token: str | None) -> None:
        self._url = url
        self._bucket = bucket
        self._client = InfluxDBClient(url, token or "", org=org, timeout=_WRITE_MS, connection_pool_maxsize=_CONNECTIONS)
        self._writer = self._client.write_api(SYNCHRONOUS)

    def write(self, body: bytes) -> None:
        """Send lines. Raises `Answered` where InfluxDB may have found fault with them; any part of them may have been kept then."""
        with self._talking():
            self._writer.write(self._bucket, record=body)

    def ask(self, query: str, patient: bool = False, /, **params: str) -> list[list[Found]]:
        """The series that each statement found. A page waits five seconds for them, who is `patient` waits longer."""
        post = [("db", self._bucket), ("q", query), ("epoch", "ns"), ("params", json.dumps(params))]
        try:
            with self._talking():
                reply = self._client.api_client.call_api(
                    "/query",
                    "POST",
                    header_params=dict(_FORM),
                    post_params=post,
                    auth_settings=[],
                    _return_http_data_only=True,
                    _preload_content=False,
                    _request_timeout=_WINDOW_MS if patient else _READ_MS,
                )
                body = reply.data
        except Answered as answer:
            raise PointsError(f"InfluxDB cannot answer: {answer}") from None
        return _results(body)

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Turns what the client raises into `Away`, or into `Answered` where it depends on what was sent."""
        try:
            yield
        except ApiException as error:
            answer = Answered(error.status or 0, _said(error))
            what = {
                401: "InfluxDB refuses the token",
                403: "InfluxDB refuses the token",
                404: f"InfluxDB does not know the bucket {self._bucket!r} or the organization",
                429: "InfluxDB wants to be asked less",
            }.get(answer.status)
            if what is None and answer.status not in (400, 413, 422, 500):
                what = "InfluxDB does not answer"
            if what is None:
                raise answer from None
            raise Away(what, f"{self._url} says {answer}") from None
        except HTTPError as error:
            raise Away("InfluxDB does not answer", f"{self._url}: {str(error).rpartition(': ')[2]}") from None


class Answered(Exception):
    """InfluxDB's answer to what it was sent was no."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}")
        self.status = status
        self.said = said


def _said(error: ApiException) -> str:
    try:
        told = json.loads(error.body)
        return str(told.get("error") or told["message"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return str(error.reason)


def _results(body: bytes) -> list[list[Found]]:
    try:
        results = msgspec.json.decode(body)["results"]
    except (msgspec.DecodeError, KeyError, TypeError):
        told = body[:200].decode(errors="replace").strip()
        raise (Unspeakable if "unsupported value" in told else PointsError)(f"InfluxDB's answer cannot be read: {told}") from None
    for result in results:
        if "error" in result:  # with HTTP 200, all the same
            raise PointsError(f"InfluxDB cannot answer: {result['error']}")
        if any(series.get("partial") for series in result.get("series", ())):
            raise PointsError("InfluxDB gives only a part of what was asked for: raise its `max-row-limit`")
    return [[Found(series.get("tags", {}), series["values"]) for series in result.get("series", ())] for result in results]
