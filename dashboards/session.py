"""Who may see the pages: one administrator with a password, and forms that only our own pages can send."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response as Reply

from store.model import SECOND, Ns

_MINUTE: Ns = 60 * SECOND
_TRIES = 5
_OPEN = ("pages.login", "pages.static")


class Tries:
    """Counts logins per address: at most five a minute."""

    def __init__(self) -> None:
        self._made: dict[str, list[Ns]] = {}

    def wait(self, address: str, now: Ns) -> int:
        """Count one more try; returns the whole seconds to wait before it is allowed, 0 for at once."""
        self._made = {who: times for who, made in self._made.items() if (times := [at for at in made if at > now - _MINUTE])}
        times = self._made.setdefault(address, [])
        if len(times) >= _TRIES:
            return (times[0] + _MINUTE - now) // SECOND + 1
        times.append(now)
        return 0

    def forgive(self, address: str) -> None:
        self._made.pop(address, None)


def guard(blueprint: Blueprint, password_hash: Callable[[], str | None], clock: Callable[[], Ns], *, https: bool) -> None:
    """Put all pages of the blueprint behind the password, and all their forms behind the session's token."""
    tries = Tries()

    @blueprint.record_once
    def configure(state: BlueprintSetupState) -> None:
        state.app.config.update(
            SESSION_COOKIE_NAME="lastbeat",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_COOKIE_SECURE=https,
            PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        )

    @blueprint.before_request
    def admit() -> Reply | None:
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            refuse_forgery()
        if request.endpoint in _OPEN or _is_admin(password_hash()):
            return None
        here = request.full_path.rstrip("?") if request.method != "POST" else "/"
        return redirect(url_for("pages.login", next=here), 303)

    @blueprint.route("/login", methods=["GET", "POST"])
    def login() -> Reply | str:
        known = password_hash()
        if request.method != "POST":
            return render_template("login.html", known=known is not None)
        seconds = tries.wait(request.remote_addr or "", clock())
        if seconds:
            return _too_many(seconds)
        if known is None or not check_password_hash(known, request.form.get("password", "")):
            return make_response(render_template("login.html", known=known is not None, error="That is not the password."), 422)
        tries.forgive(request.remote_addr or "")
        # A session that existed before the login may be known to others.
        session.clear()
        session.permanent = True
        session["admin"] = _fingerprint(known)
        return redirect(local(request.args.get("next")), 303)

    @blueprint.post("/logout")
    def logout() -> Reply:
        session.clear()
        return redirect(url_for("pages.login"), 303)


def csrf_token() -> str:
    """The secret of this session that each of our forms carries."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    token: str = session["csrf"]
    return token


def refuse_forgery() -> None:
    """Abort with 400 unless the form carries the session's token and, where the browser says its origin, comes from our own host."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(400, "The form was sent from another site, so nothing was done.")
    given, expected = request.form.get("csrf", ""), session.get("csrf", "")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        abort(400, "The form was too old, so nothing was done. Go back, reload the page and try again.")


def local(target: str | None) -> str:
    """`target` if it is a path on this server, else the start page."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return "/"
    return target


def _is_admin(known: str | None) -> bool:
    return known is not None and hmac.compare_digest(str(session.get("admin", "")), _fingerprint(known))


def _fingerprint(password_hash: str) -> str:
    """What a session remembers of the password: a new password ends all sessions."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


def _too_many(seconds: int) -> Response:
    page = render_template("login.html", known=True, error=f"Too many tries. Wait {seconds} s, then try again.")
    return make_response(page, 429, {"Retry-After": str(seconds)})
