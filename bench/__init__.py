"""Measurements of Lastbeat on this machine: `make bench`. Compare ratios of one run, never absolute numbers of two."""
