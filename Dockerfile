# Lastbeat in a container: small, not root, and content with a root file system that is read-only. What it keeps is in two volumes.
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY lastbeat lastbeat
COPY config config
COPY store store
COPY rules rules
COPY ingest ingest
COPY api api
COPY dashboards dashboards
RUN python -m venv /opt/lastbeat && /opt/lastbeat/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.13.9-slim-bookworm
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/lastbeat && install -d -o 10001 -g 10001 -m 0755 /var/lib/lastbeat-grafana
COPY --from=build /opt/lastbeat /opt/lastbeat
ENV PATH=/opt/lastbeat/bin:$PATH PYTHONDONTWRITEBYTECODE=1 LASTBEAT_HOST=0.0.0.0 LASTBEAT_DATA_DIR=/var/lib/lastbeat
USER 10001:10001
EXPOSE 8000
CMD ["lastbeat", "serve"]
