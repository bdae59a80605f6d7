"""Ways to tell people: `/api/notification-channels`."""

from __future__ import annotations

from typing import Any

from marshmallow import fields
from sqlalchemy import Connection
from werkzeug.exceptions import BadGateway, NotFound

from api.auth import project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Shape
from rules import actions
from rules.channels import Undelivered, senders
from rules.definitions import ChannelDefinition, defined_channel
from store.control import channels
from store.model import Channel

resource = Resource("notification-channels", "Where alerts are sent.")

_ALL = "/api/notification-channels"
_ONE = f"{_ALL}/<channel_id>"


class ChannelShape(Shape):
    """A notification channel; secrets in its `config` are masked, and a change may send them back as they are."""

    id = fields.String()
    name = fields.String()
    type = fields.String()
    config = fields.Function(lambda channel: senders[channel.type].masked(channel.config), metadata={"type": "object"})
    is_default = fields.Boolean()
    last_error = fields.String(allow_none=True, metadata={"description": "Why the newest delivery failed."})
    last_error_at = Instant(allow_none=True)
    created_at = Instant()
    updated_at = Instant()


class DeliveredShape(Shape):
    """The receiver took the test."""

    ok = fields.Boolean()


@resource.call("POST", _ALL, body=ChannelDefinition, answers=ChannelShape(), status=201)
def create(definition: dict[str, Any]) -> Channel:
    """Create a channel."""
    with parts().control.begin() as connection:
        return actions.add_channel(connection, project().id, definition, parts().clock())


@resource.call("GET", _ALL, query=PageQuery, answers=ChannelShape(many=True))
def listed(query: dict[str, Any]) -> Page[Channel]:
    """The project's channels by name."""
    with parts().control.read() as connection:
        return page(*channels.find(connection, project().id, limit=query["limit"], offset=query["offset"]))


@resource.call("GET", _ONE, answers=ChannelShape())
def get(channel_id: str) -> Channel:
    """One channel."""
    with parts().control.read() as connection:
        return _of_project(connection, channel_id)


@resource.call("PATCH", _ONE, change_of=ChannelDefinition, answers=ChannelShape())
def edit(changes: dict[str, Any], channel_id: str) -> Channel:
    """Change what is named; a masked secret that comes back stays what it was."""
    with parts().control.begin() as connection:
        channel = _of_project(connection, channel_id)
        definition = ChannelDefinition().load({**defined_channel(channel), **_unmasked(channel, changes)})
        return actions.edit_channel(connection, channel, definition, parts().clock())


@resource.call("DELETE", _ONE, status=204)
def delete(channel_id: str) -> None:
    """Delete the channel with what still waits to be sent; monitors that had only this one fall back to the defaults."""
    with parts().control.begin() as connection:
        channels.remove(connection, _of_project(connection, channel_id).id)


@resource.call("POST", f"{_ONE}/test", answers=DeliveredShape())
def test(channel_id: str) -> dict[str, bool]:
    """Send a test notification now; 502 says why it did not arrive."""
    with parts().control.read() as connection:
        channel = _of_project(connection, channel_id)
    try:
        actions.send_test(channel, parts().base_url, parts().clock())
    except Undelivered as error:
        raise BadGateway(f"the test was not delivered: {error}") from None
    return {"ok": True}


def _unmasked(channel: Channel, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with the channel's own secrets in the place of their masks. A channel that becomes another type keeps none."""
    config = changes.get("config")
    if not isinstance(config, dict) or changes.get("type", channel.type) != channel.type:
        return changes
    return {**changes, "config": senders[channel.type].merged(channel.config, config)}


def _of_project(connection: Connection, channel_id: str) -> Channel:
    found = channels.get(connection, project().id, channel_id)
    if found is None:
        raise NotFound(f"there is no notification channel {channel_id[:60]!r}")
    return found
