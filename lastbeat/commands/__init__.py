"""Commands of the program `lastbeat`, one module for each concern; `lastbeat/cli.py` hangs them up.

What a command needs is imported when it runs, so that the others start without it.
"""
