"""Whole lives of Lastbeat on a clock of our own: the real code on real files, faults of every kind, and a model that knows what must be.

`story` draws from a seed what happens, `stage` runs the processes, `play` lets one happen to the other, `oracle` is the independent
model, `audit` compares. `PYTHONPATH=tests python -m simulation 0:10000 --jobs 2` runs many seeds.
"""
