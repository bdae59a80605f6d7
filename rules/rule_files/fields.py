"""The members of one mapping, taken one by one by their names. What does not fit is complained about where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from rules.rule_files.complaints import Complaints
from rules.rule_files.nodes import List, Node, Scalar, Table
from rules.rule_files.scalars import Read, Unfit, nearest

ITEMS_LIMIT: Final = 1_000

T = TypeVar("T")


class Fields:
    """What is taken is None where it is not there, and where it was complained about: nothing is made of what has complaints."""

    def __init__(self, table: Table, complaints: Complaints) -> None:
        self.place = table.place
        self.complaints = complaints
        self._keys = {member.key.text: member.key for member in table.members}
        self._values = {member.key.text: member.value for member in table.members}
        self._misspelt: set[str] = set()

    @classmethod
    def of(cls, node: Node | None, complaints: Complaints, example: str) -> Fields | None:
        """The fields of a node that is to be a mapping, such as `example`."""
        if isinstance(node, Table):
            return cls(node, complaints)
        if node is not None:
            complaints.add(node.place, f"here must be a mapping, such as `{example}`")
        return None

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def names(self) -> list[Scalar]:
        return list(self._keys.values())

    def complain(self, key: str, predicate: str) -> None:
        """Complain of what stands under the key; `predicate` goes on where its name and value leave off."""
        node = self._values[key]
        at, shown = self._keys[key].place, ""
        if isinstance(node, Scalar) and (node.text or node.style != "plain"):
            at, shown = node.place, f" {node.shown()}"
        elif isinstance(node, List | Table):
            at = node.place
        self.complaints.add(at, f"`{key}:{shown}` {predicate}")

    def complain_of_key(self, key: str, sentence: str) -> None:
        self.complaints.add(self._keys[key].place, sentence)

    def only(self, known: Iterable[str], whose: str, elsewhere: Mapping[str, str] | None = None) -> None:
        """Complain of all keys but the known ones. `whose`: such as `a group`; `elsewhere`: what to say of other keys, if known."""
        names = list(dict.fromkeys(known))
        for key in self._keys:
            if key in names:
                continue
            if not key:
                self.complain_of_key(key, "an empty key is here; write what is before the colon, or leave it out")
                continue
            said = (elsewhere or {}).get(key)
            near = nearest(key, names)
            self._misspelt.update(near)
            hint = f", did you mean `{near[0]}`?" if near else f"; there are {', '.join(names)}"
            self.complain_of_key(key, f"`{key[:60]}` {said}" if said else f"`{key[:60]}` is no key of {whose}{hint}")

    def require(self, key: str, whose: str, example: str) -> None:
        """Complain where the key is neither there nor, as `only` has found, there with another spelling."""
        if key not in self._keys and key not in self._misspelt:
            self.complaints.add(self.place, f"{whose} needs `{key}`, as in `{example}`")

    def once(self, one: str, other: str) -> None:
        """Complain where both are there, which say the same."""
        if one in self and other in self:
            self.complain_of_key(other, f"`{other}` and `{one}` are both there; leave one of them out")

    def take(self, key: str, read: Read[T]) -> T | None:
        """The one value of the key."""
        node = self._values.get(key)
        if isinstance(node, Scalar):
            return self._read(key, node, read)
        if node is not None:
            self.complain(key, "is not accepted; give one value")
        return None

    def take_all(self, key: str, read: Read[T]) -> tuple[T, ...] | None:
        """The values of the key, each as `read` reads it."""
        node = self._values.get(key)
        if isinstance(node, Scalar):
            self.complain(key, f"is not accepted; give a list, `{key}: [{node.text[:60] or '…'}]`")
        elif isinstance(node, Table):
            self.complain(key, f"is not accepted; give a list, `{key}: […]`")
        if not isinstance(node, List):
            return None
        if len(node.items) > ITEMS_LIMIT:
            self.complain(key, f"has {len(node.items):,} items; at most {ITEMS_LIMIT:,} are accepted")
            return None
        taken = [self._item(key, item, read) for item in node.items]
        return tuple(one for one in taken if one is not None)

    def nested(self, key: str, example: str) -> Fields | None:
        """The mapping of the key, such as `example`."""
        node = self._values.get(key)
        if isinstance(node, Table):
            return Fields(node, self.complaints)
        if node is not None:
            self.complain(key, f"is not accepted; give a mapping, as in `{example}`")
        return None

    def nodes(self, key: str, example: str) -> list[Node | None]:
        """What the list of the key holds; nothing where there is none, or where all of it is put into comments."""
        node = self._values.get(key)
        if isinstance(node, List):
            return node.items
        if node is not None and not (isinstance(node, Scalar) and node.meaning() == "nothing"):
            self.complain(key, f"is not accepted; give a list, as in `{example}`")
        return []

    def _item(self, key: str, node: Node | None, read: Read[T]) -> T | None:
        if isinstance(node, Scalar):
            try:
                return read(node)
            except Unfit as why:
                self.complaints.add(node.place, f"`{node.shown()}` in `{key}` {why}")
        elif node is not None:
            self.complaints.add(node.place, f"this item of `{key}` is not accepted; give one value")
        return None

    def _read(self, key: str, node: Scalar, read: Read[T]) -> T | None:
        try:
            if node.meaning() == "nothing":
                raise Unfit("is empty; give it a value, or leave it out")
            return read(node)
        except Unfit as why:
            self.complain(key, str(why))
        return None
