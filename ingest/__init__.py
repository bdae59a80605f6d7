"""Pings in: the way from a request to its line in the journal, and the answer that follows when the line is on disk."""
