"""The commands that people copy: complete, with the monitor's URL, and valid where a program here can tell."""

from __future__ import annotations

import ast
import subprocess

from dashboards.snippets import first_ping, snippets

PUSH = "https://lastbeat.example/api/push/0b9f1a52-6f0c-4d8f-9b3e-3f3a1f0c2d11"
URL = "https://lastbeat.example/ping/0b9f1a52-6f0c-4d8f-9b3e-3f3a1f0c2d11"


def test_every_snippet_has_the_url_and_no_blank_to_fill() -> None:
    made = snippets(URL, PUSH)
    assert len(made) >= 6 and all(URL in snippet.text or PUSH in snippet.text for snippet in made)
    assert not any("$url" in snippet.text or "$push_url" in snippet.text or "$$" in snippet.text for snippet in made)


def test_python_is_python_and_bash_is_bash() -> None:
    texts = {snippet.title: snippet.text for snippet in snippets(URL, PUSH)}
    ast.parse(texts["Python"])
    for script in (texts["bash, with numbers"], texts["bash, with the run timed"], texts["Uptime Kuma client"], first_ping(URL)):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
