"""Finds the few bad lines in a batch that a server refused, by halving it again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

Item = TypeVar("Item")
Reason = TypeVar("Reason")

_SUSPECTS: Final = 8


class NothingTaken(Exception):
    """The server refuses whatever it is given, so the lines are not to blame; the message is what it said last."""


def sift(batch: Sequence[Item], reason: Reason, post: Callable[[Sequence[Item]], Reason | None]) -> list[tuple[Item, Reason]]:
    """The items of a refused batch that are refused by themselves, with the reasons; all others have been taken.

    `post` gives some items to the server again, and returns why it refuses them or None. Only a server that takes other items of the
    batch can convict one: else a wrong setting would condemn everything. Raises `NothingTaken` then, with all items still to be sent.
    """
    suspects: list[tuple[Item, Reason]] = []
    taken = False
    refused = [(batch, reason)]
    while refused:
        part, reason = refused.pop()
        if len(part) == 1:
            suspects.append((part[0], reason))
        else:
            middle = len(part) // 2
            for half in (part[middle:], part[:middle]):
                why = post(half)
                taken = taken or why is None
                if why is not None:
                    refused.append((half, why))
        if not taken and (len(suspects) == _SUSPECTS or not refused):
            raise NothingTaken(str(reason))
    # Asked once more, one by one: a server that stumbled over a good line takes it now.
    again = [(item, post([item])) for item, _ in suspects]
    return [(item, why) for item, why in again if why is not None]
