"""Whole lives of Lastbeat on a clock of our own: the real code on real files, faults of every kind, and a model that knows better.

From a seed `story` draws what happens. `stage` has the processes; `jobs` and `callers` are those who ping, `people` those who edit,
`receivers` those who are told, and `troubles` is all that goes wrong; `ticks` gives the engine its turns. `witness` tells the model of
it, `oracle` with `rulings`, `waiting` and `slots`, and compares; `audit` looks at what is left in the end. `sabotage` has bugs to be found.

`PYTHONPATH=tests python -m simulation 0:10000 --jobs 2` plays many seeds, `python -m simulation 17` one.
"""
