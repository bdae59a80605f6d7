"""Where Lastbeat tells people: the channels, and the form that adds one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from sqlalchemy import Connection
from werkzeug.wrappers import Response as Reply

from dashboards.forms import Errors
from dashboards.monitor_form import errors_of
from dashboards.site import Site
from rules import actions
from rules.channels import Undelivered, senders
from rules.definitions import ChannelDefinition
from store.control import channels as channel_store
from store.model import Channel


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.get("/channels")
    def channels() -> Reply:
        return _shown(site, {"isDefault": True}, {})

    @blueprint.post("/channels")
    def add_channel() -> Reply:
        try:
            fields = ChannelDefinition().load(_webhook())
            with site.control.begin() as connection:
                made = actions.add_channel(connection, site.project(connection).id, fields, site.clock())
        except (ValidationError, actions.Refused) as refused:
            return _shown(site, request.form.to_dict(), errors_of(refused))
        flash(f"“{made.name}” is added. Send a test to see whether it arrives.")
        return redirect(url_for("pages.channels"), 303)

    @blueprint.post("/channels/<channel_id>/test")
    def test_channel(channel_id: str) -> Reply:
        with site.control.read() as connection:
            channel = _channel(connection, site, channel_id)
        try:
            actions.send_test(channel, site.base_url, site.clock())
        except Undelivered as failed:
            flash(f"The test through “{channel.name}” did not arrive: {failed}")
        else:
            flash(f"The test has arrived at “{channel.name}”.")
        return redirect(url_for("pages.channels"), 303)

    @blueprint.route("/channels/<channel_id>/delete", methods=["GET", "POST"])
    def delete_channel(channel_id: str) -> Reply | str:
        with site.control.begin() as connection:
            channel = _channel(connection, site, channel_id)
            if request.method == "POST":
                channel_store.remove(connection, channel.id)
        if request.method == "POST":
            flash(f"“{channel.name}” is deleted.")
            return redirect(url_for("pages.channels"), 303)
        consequence = "What waits to be sent through it is dropped. Monitors that had only this channel tell the default ones from now on."
        return render_template(
            "confirm.html", question=f"Delete “{channel.name}”?", consequence=consequence, deed="Delete", back=url_for("pages.channels")
        )


def _webhook() -> dict[str, Any]:
    form = request.form
    config: dict[str, Any] = {"url": form.get("url", "").strip()}
    if form.get("secret"):
        config["secret"] = form["secret"]
    return {"name": form.get("name", "").strip(), "type": "webhook", "config": config, "isDefault": "isDefault" in form}


def _channel(connection: Connection, site: Site, channel_id: str) -> Channel:
    found = channel_store.get(connection, site.project(connection).id, channel_id)
    if found is None:
        abort(404, "There is no such channel; it may have been deleted.")
    return found


def _shown(site: Site, values: dict[str, Any], errors: Errors) -> Reply:
    with site.control.read() as connection:
        known = channel_store.find(connection, site.project(connection).id, limit=1000)[0]
    page = render_template(
        "channels.html",
        channels=[(channel, senders[channel.type].masked(channel.config)) for channel in known],
        defaults=[channel for channel in known if channel.is_default],
        values=values,
        errors=errors,
        now=site.clock(),
        zone=site.reader_zone(),
    )
    return make_response(page, 422 if errors else 200)
