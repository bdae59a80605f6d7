"""Grafana dashboards over the points in InfluxDB, generated from the monitors there are; nobody edits them by hand.

`generated.dashboards` is the way in: a pure function from monitors and alerts to JSON documents. The queries are InfluxQL, which every
generation of InfluxDB and Grafana speaks, and each of them is bounded in time.
"""
