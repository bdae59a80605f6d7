"""What browsers are told not to do with our pages."""

from __future__ import annotations

from flask import Response, request

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # "no-referrer" would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def secured(reply: Response) -> Response:
    for name, value in _HEADERS.items():
        reply.headers[name] = value
    if request.is_secure:
        reply.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint == "pages.static":
        # The address carries the file's hash, so what it names never changes.
        lasting = "public, max-age=31536000, immutable" if "v" in request.args else "public, max-age=60"
        reply.headers["Cache-Control"] = lasting
    else:
        reply.headers.setdefault("Cache-Control", "no-store")
    return reply
