"""Placeholder until the templates are there."""

from __future__ import annotations

from collections.abc import Mapping


def render(annotations: Mapping[str, str], labels: Mapping[str, str], value: float | str | None) -> dict[str, str]:
    return dict(annotations)
