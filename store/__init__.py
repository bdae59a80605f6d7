"""Facts at rest: the journal, the control store and the points store. Knows nobody above it."""
