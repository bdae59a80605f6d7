"""The program Lastbeat, and the one line that makes its folders importable by their plain names.

The source says `from rules import …` for the folders beside this one. An installed wheel keeps them inside this directory, so that
nothing so generically named lands in site-packages; a checkout and an editable install keep them next to it. Either way the directory
that holds them goes first on `sys.path`, as Python does for a script. Never write `lastbeat.rules`: in a wheel that loads a second copy
of the module.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE if (_HERE / "config").is_dir() else _HERE.parent))
