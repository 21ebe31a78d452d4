"""Literals without which a regular expression cannot match, so that most names are refused without running it.

The walker knows a subset of the syntax and gives up on the rest: no literals means that the pattern is always run.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

MAXIMUM_STRINGS = 1000
"""Strings that stand for one place of a pattern; where there would be more, only the parts beside it are used."""
MAXIMUM_CLASS = 8
"""Characters of a class that are still tried one by one."""

_QUANTIFIER = re.compile(r"(?:[?*+]|\{(\d+)(?:,\d*)?\})[?+]?")
_GROUP = re.compile(r"\((?:\?(?::|>|i:|=|<=|!|<!|P?<[A-Za-z_]\w*>))?(?!\?)")
_BACKREFERENCE = re.compile(r"\\[1-9]\d*")
_CLASS = re.compile(r"\[(\^?)(\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_CLASS_ITEM = re.compile(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", re.DOTALL)
_FOLDED = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})


def fold(text: str) -> str:
    """Return the text so that what a pattern takes for an ASCII letter, whatever its case, is that letter."""
    return text.lower() if text.isascii() else text.translate(_FOLDED).lower()


def required_literals(pattern: str) -> frozenset[str] | None:
    """Return folded strings of which every text that the pattern finds itself in has at least one.

    The pattern ignores case and is not verbose. `None`: nothing is known of such a text.
    """
    walker = _Walker(pattern.removeprefix("(?i)"))
    try:
        part = walker.alternatives()
    except _Unknown:
        return None
    return part.needs() if walker.is_at_end() else None


class _Unknown(Exception):
    """Syntax that is not walked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A piece of a pattern: all strings it can be, or else what must be somewhere in those."""

    strings: frozenset[str] | None = None
    literals: frozenset[str] | None = None

    def needs(self) -> frozenset[str] | None:
        if self.strings is None:
            return self.literals
        return self.strings if all(self.strings) else None


_NOTHING = _Part(strings=frozenset({""}))
_ANYTHING = _Part()


class _Walker:
    """Reads a pattern once, from the left."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0

    def is_at_end(self) -> bool:
        return self._place == len(self._pattern)

    def alternatives(self) -> _Part:
        """Read up to the end of a group."""
        branches = [self._sequence()]
        while self._peek() == "|":
            self._place += 1
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else _any_of(branches)

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        if self._peek() == "{":  # nothing before it to repeat
            self._place += 1
            parts.append(_characters(["{"]))
        while not self.is_at_end() and self._peek() not in "|)":
            parts.append(self._quantified(self._atom()))
        return _joined(parts)

    def _quantified(self, atom: _Part) -> _Part:
        match = _QUANTIFIER.match(self._pattern, self._place)
        if match is None:
            return atom
        self._place = match.end()
        if match[0] == "?" or match[0] in ("??", "?+"):
            return _any_of([atom, _NOTHING])
        is_optional = match[0][0] == "*" or (match[1] is not None and int(match[1]) == 0)
        return _ANYTHING if is_optional else _Part(literals=atom.needs())

    def _atom(self) -> _Part:
        match character := self._peek():
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "^" | "$":
                self._place += 1
                return _NOTHING
            case ".":
                self._place += 1
                return _ANYTHING
            case "?" | "*" | "+" | "{":  # "{e<=1}" asks `regex` for what is nearly the same
                raise _Unknown
            case _:
                self._place += 1
                return _characters([character])

    def _group(self) -> _Part:
        match = _GROUP.match(self._pattern, self._place)
        if match is None:
            raise _Unknown
        self._place = match.end()
        inside = self.alternatives()
        if self._peek() != ")":
            raise _Unknown
        self._place += 1
        if match[0] in ("(?!", "(?<!"):
            return _NOTHING
        if match[0] in ("(?=", "(?<="):
            return _Part(literals=inside.needs())  # beside what follows, but not before it
        return inside

    def _class(self) -> _Part:
        match = _CLASS.match(self._pattern, self._place)
        if match is None or "[:" in match[2]:
            raise _Unknown
        self._place = match.end()
        if match[1]:
            return _ANYTHING
        found: set[str] = set()
        for item in _CLASS_ITEM.finditer(match[2]):
            first, last = _plain(item[1]), _plain(item[2] or item[1])
            if first is None or last is None or ord(last) - ord(first) >= MAXIMUM_CLASS:
                return _ANYTHING
            found.update(chr(code) for code in range(ord(first), ord(last) + 1))
        return _characters(found) if len(found) <= MAXIMUM_CLASS else _ANYTHING

    def _escape(self) -> _Part:
        if match := _BACKREFERENCE.match(self._pattern, self._place):
            self._place = match.end()
            return _ANYTHING
        escape = self._pattern[self._place : self._place + 2]
        self._place += 2
        if escape in (r"\b", r"\B", r"\A", r"\Z"):
            return _NOTHING
        if escape in (r"\d", r"\D", r"\s", r"\S", r"\w", r"\W"):
            return _ANYTHING
        character = _plain(escape)
        if character is None:
            raise _Unknown
        return _characters([character])

    def _peek(self) -> str:
        return self._pattern[self._place : self._place + 1]


def _plain(item: str) -> str | None:
    """Return the character that an item of a class, or an escape outside, stands for; `None`: not just one."""
    if len(item) == 1:
        return item
    return item[1:] if len(item) == 2 and item[1].isascii() and not item[1].isalnum() else None


def _characters(found: Iterable[str]) -> _Part:
    """Return a place where one of some characters stands; other than ASCII ones have cases that are not known here."""
    folded = frozenset(character.lower() for character in found)
    return _Part(strings=folded) if folded and all(map(str.isascii, folded)) else _ANYTHING


def _any_of(branches: list[_Part]) -> _Part:
    strings = [branch.strings for branch in branches]
    if all(found is not None for found in strings):
        every = frozenset[str]().union(*(found for found in strings if found is not None))
        if len(every) <= MAXIMUM_STRINGS:
            return _Part(strings=every)
    needs = [branch.needs() for branch in branches]
    if any(found is None for found in needs):
        return _ANYTHING
    return _Part(literals=frozenset[str]().union(*(found for found in needs if found is not None)))


def _joined(parts: list[_Part]) -> _Part:
    """Return one part for several in a row, the most telling piece of it where not all is known."""
    pieces: list[frozenset[str]] = []
    run = frozenset({""})
    is_whole = True
    for part in parts:
        strings = part.strings
        if strings is not None and len(run) * len(strings) <= MAXIMUM_STRINGS:
            run = frozenset(one + other for one, other in product(run, strings))
            continue
        is_whole = False
        pieces.append(run)
        run = strings if strings is not None else frozenset({""})
        if part.literals is not None:
            pieces.append(part.literals)
    if is_whole:
        return _Part(strings=run)
    telling = [piece for piece in (*pieces, run) if all(piece)]
    return _Part(literals=max(telling, key=_tells)) if telling else _ANYTHING


def _tells(strings: frozenset[str]) -> tuple[int, int]:
    """Return how seldom a name has one of these strings, as far as their lengths tell: long ones, then few."""
    return min(min(map(len, strings)), 4), -len(strings)
