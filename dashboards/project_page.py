"""The projects: what each is on, by which URL its jobs are pinged by slug, and which of them the other pages show."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response as Reply

from dashboards.site import PROJECT, Site
from store.control import projects
from store.model import Plan, Project


@dataclass(frozen=True, slots=True)
class Row:
    project: Project
    plan: Plan
    monitors: int
    slug_url: str


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.get("/projects")
    def project_list() -> str:
        with site.control.read() as connection:
            shown, found, counts = site.project(connection), projects.find(connection), projects.monitor_counts(connection)
        rows = [Row(project, site.plan(project), counts.get(project.id, 0), site.slug_url(project, "<slug>")) for project in found]
        return render_template("projects.html", rows=rows, shown=shown)

    @blueprint.post("/projects/<project_id>/show")
    def show_project(project_id: str) -> Reply:
        with site.control.read() as connection:
            if projects.get(connection, project_id) is None:
                abort(404, "There is no such project; it may have been deleted.")
        reply = redirect(url_for("pages.monitor_list"), 303)
        reply.set_cookie(PROJECT, project_id, max_age=365 * 86_400, samesite="Lax", httponly=True)
        return reply
