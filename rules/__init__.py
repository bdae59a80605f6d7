"""Judgement: what a ping, a passed deadline or a crossed threshold means, and who must hear of it. Pure functions of (facts, now)."""
