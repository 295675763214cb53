"""YAML from anyone: plain values only, keys once, and no larger than what somebody writes by hand."""

from __future__ import annotations

from typing import Any

import yaml

from alftbench.base.bounds import MIB, YAML_BYTES
from alftbench.errors import BadInput

ENTRIES = 20_000  # values of a file, those that its aliases repeat counted each time
DEEPEST = 50
TEXT = 64  # characters of a value that count as one entry
DIGITS = 100  # of a whole number
UNREAL = "a value is not of the kind that its tag says, or is nested too deeply"
UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, TypeError, RecursionError)


class BoundedLoader(yaml.SafeLoader):
    """The safe loader, less its habit of taking the last of two equal keys without a word, and with bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._entries = 0
        self._grown: dict[yaml.Node, tuple[int, int]] = {}  # entries and depth of each node, aliases followed

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """A node and what is below it.

        Raises:
            yaml.YAMLError: there are too many or they are too deep, by themselves or through aliases.
        """
        alias = self.check_event(yaml.AliasEvent)
        self._entries += 1
        self._depth += 1
        self._check(self._entries, self._depth)
        node = super().compose_node(parent, index)
        assert node is not None
        self._depth -= 1
        if not alias:
            self._grown[node] = self._measure(node)
        elif node not in self._grown:
            raise yaml.YAMLError("an alias stands inside what it names")
        self._check(*self._grown[node])
        return node

    def _measure(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value) // TEXT, 1
        below = [one for entry in node.value for one in (entry if isinstance(entry, tuple) else (entry,))]
        sizes = [self._grown[one] for one in below]
        return 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)

    def _check(self, entries: int, depth: int) -> None:
        if entries > ENTRIES:
            raise yaml.YAMLError(f"more than {ENTRIES} entries, aliases and long texts counted in full")
        if depth > DEEPEST:
            raise yaml.YAMLError(f"nested more than {DEEPEST} deep")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A table of keys.

        Raises:
            yaml.YAMLError: a key is written twice, or is no text.
        """
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"the key on line {line} is a list or a table; keys are texts")
            if key.value in seen:
                raise yaml.YAMLError(f"the key {key.value!r} is written twice in one table, again on line {line}")
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number.

        Raises:
            yaml.YAMLError: it has more digits than any use.
        """
        if isinstance(node.value, str) and len(node.value) > DIGITS:
            raise yaml.YAMLError(f"the number on line {node.start_mark.line + 1} has more than {DIGITS} digits")
        return int(super().construct_yaml_int(node))


BoundedLoader.add_constructor("tag:yaml.org,2002:int", BoundedLoader.construct_yaml_int)


def parse_yaml(text: str, name: str, values: bool = True) -> Any:
    """The value that a text spells; `name` is what messages call it.

    Args:
        text: the text.
        name: what messages call it.
        values: make the values; else only see that the text keeps within the bounds, whatever its tags mean.

    Raises:
        BadInput: it is not YAML of plain values, or beyond a bound.
    """
    if len(text) > YAML_BYTES:
        raise BadInput(f"{name}: larger than {YAML_BYTES / MIB:g} MiB, the most that is read")
    try:
        loader = BoundedLoader(text)
        return loader.get_single_data() if values else loader.get_single_node()
    except UNREADABLE as error:
        said = " ".join(str(error).split()) if isinstance(error, (yaml.YAMLError, ValueError)) else UNREAL
        raise BadInput(f"{name}: not YAML: {said}") from None
