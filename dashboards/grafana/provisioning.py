"""The files by which Grafana finds its datasource and the generated dashboards when it starts."""

from __future__ import annotations

from pathlib import Path

import yaml

from dashboards.grafana.panels import DATASOURCE, Json

FOLDER = {"title": "Lastbeat", "uid": "lastbeat"}
# Grafana puts its own environment's value here, so that no file holds the secret.
_FROM_ENVIRONMENT = "$LASTBEAT_INFLUXDB_TOKEN"


def datasource(url: str, database: str, token: str | None) -> Json:
    """InfluxQL with the one header that InfluxDB 1.8 to 3 takes; `token` None: no authentication."""
    settings = {"dbName": database, "httpMode": "POST", "timeInterval": "10s"}
    plain = {"name": "Lastbeat InfluxDB", **DATASOURCE, "access": "proxy", "url": url, "isDefault": True, "jsonData": settings}
    if token is None:
        return plain
    settings["httpHeaderName1"] = "Authorization"
    return plain | {"secureJsonData": {"httpHeaderValue1": f"Token {token}"}}


def files(url: str, database: str, *, authenticated: bool, dashboards: Path) -> dict[str, str]:
    """Text by path within Grafana's provisioning directory. `dashboards`: where Grafana finds their files."""
    source = datasource(_literal(url), _literal(database), _FROM_ENVIRONMENT if authenticated else None)
    provider = {
        "name": FOLDER["uid"],
        "orgId": 1,
        "folder": FOLDER["title"],
        "folderUid": FOLDER["uid"],
        "type": "file",
        "disableDeletion": False,
        "updateIntervalSeconds": 30,
        "allowUiUpdates": False,
        "options": {"path": _literal(str(dashboards)), "foldersFromFilesStructure": False},
    }
    return {
        "datasources/lastbeat.yaml": _text({"apiVersion": 1, "datasources": [source]}),
        "dashboards/lastbeat.yaml": _text({"apiVersion": 1, "providers": [provider]}),
    }


def _literal(text: str) -> str:
    return text.replace("$", "$$")  # else it would be a variable


def _text(document: Json) -> str:
    return "# Written by Lastbeat; changes made here are lost.\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
