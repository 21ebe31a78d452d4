"""Patterns of custom formats and release profiles: .NET's dialect as `regex` runs it, ignoring case, with a time limit.

A set of patterns looks once at a name and runs only those whose literals are in it; that changes no result.
"""

import re
from collections.abc import Callable, Iterable

import regex

from movies.errors import BadRegex
from movies.pattern_literals import fold, required_literals

TIMEOUT_S = 0.1
"""A pattern that needs longer for one name backtracks badly, and finds nothing in that name."""
SHORTEST_TIMEOUT_S = 0.002
"""What is left of it to a pattern that has run out of time in name after name; usual searches take a hundredth."""

OnTimeout = Callable[[str], None]
"""Told the pattern that ran out of time, in the thread that searched."""

MAXIMUM_SIZE = 20_000
"""Places of a pattern; compiling takes longer the more there are."""

_TRIES = 2
"""`regex` counts the CPU time of all threads, so that busy ones may use up the time of a search."""
_GRAM = 3
_PLACE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<times>\d+)(?:,\d*)?\}|.", re.DOTALL)

# What .NET writes in another way than `regex`; other escapes are passed over whole.
_NET = re.compile(r"\\k(?:<(?P<one>\w+)>|'(?P<other>\w+)')|\(\?'(?P<group>\w+)'|\\.", re.DOTALL)


def _translated(match: re.Match[str]) -> str:
    if name := match["one"] or match["other"]:
        return f"(?P={name})"
    if name := match["group"]:
        return f"(?P<{name}>"
    return r"\Z" if match[0] == r"\z" else match[0]


def compiled(pattern: str) -> "regex.Pattern[str]":
    """Compile a pattern that ignores case; raises `BadRegex` with the pattern and what is wrong with it."""
    if _size(pattern) > MAXIMUM_SIZE:
        raise BadRegex(f'"{pattern}" is too large a regular expression: it repeats something too often')
    try:
        return regex.compile(_NET.sub(_translated, pattern), regex.IGNORECASE)
    except regex.error as error:
        raise BadRegex(f'"{pattern}" is no regular expression: {error}') from None
    except (RecursionError, OverflowError):
        raise BadRegex(f'"{pattern}" is no regular expression: it is nested too deeply') from None


def _size(pattern: str) -> int:
    """Return about how many places the pattern has once its repetitions are written out, which compiling does."""
    open_sizes, last = [0], 0
    for match in _PLACE.finditer(pattern):
        if match["times"]:
            times = max(int(match["times"][:9]) - 1, 0)
            open_sizes[-1] += last * times
            last += last * times
        elif match[0] == "(":
            open_sizes.append(0)
        elif match[0] == ")" and len(open_sizes) > 1:
            last = open_sizes.pop()
            open_sizes[-1] += last
        else:
            open_sizes[-1] += 1
            last = 1
    return sum(open_sizes)


class PatternSet:
    """Compiled patterns that are searched in many names; raises `BadRegex` when one cannot be compiled."""

    def __init__(
        self, patterns: Iterable[str], *, on_timeout: OnTimeout | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._compiled = {pattern: compiled(pattern) for pattern in patterns}
        self.patterns = tuple(self._compiled)
        self._on_timeout = on_timeout
        self._timeouts_s = dict.fromkeys(self._compiled, timeout_s)
        self._always: set[str] = set()
        self._by_short: list[tuple[str, set[str]]] = []
        self._by_gram: dict[str, list[tuple[str, set[str]]]] = {}
        self._index()

    def search(self, pattern: str, text: str) -> bool:
        """Say whether a pattern of the set is found in a text; one that runs out of time is not.

        It has half the time in the next text, so that a bad pattern does not hold up a page of a thousand names.
        """
        search, timeout_s = self._compiled[pattern].search, self._timeouts_s[pattern]
        for _ in range(_TRIES):
            try:
                return search(text, timeout=timeout_s, concurrent=True) is not None
            except TimeoutError:
                continue
        self._timeouts_s[pattern] = max(timeout_s / 2, min(timeout_s, SHORTEST_TIMEOUT_S))
        if self._on_timeout is not None:
            self._on_timeout(pattern)
        return False

    def possible(self, text: str) -> set[str]:
        """Return the patterns that may be found in a text; the others are not in it."""
        folded = fold(text)
        found = set(self._always)
        for literal, patterns in self._by_short:
            if literal in folded:
                found |= patterns
        grams = {folded[place : place + _GRAM] for place in range(len(folded) - _GRAM + 1)}
        for gram in self._by_gram.keys() & grams:
            for literal, patterns in self._by_gram[gram]:
                if literal in folded:
                    found |= patterns
        return found

    def _index(self) -> None:
        """File each pattern under a piece of each of its literals, the piece that the fewest literals have."""
        by_literal: dict[str, set[str]] = {}
        for pattern in self.patterns:
            literals = required_literals(pattern)
            if literals is None:
                self._always.add(pattern)
            for literal in literals or ():
                by_literal.setdefault(literal, set()).add(pattern)
        uses: dict[str, int] = {}
        for literal in by_literal:
            for gram in _grams(literal):
                uses[gram] = uses.get(gram, 0) + 1
        for literal, patterns in by_literal.items():
            if len(literal) < _GRAM:
                self._by_short.append((literal, patterns))
            else:
                rarest = min(_grams(literal), key=lambda gram: (uses[gram], gram))
                self._by_gram.setdefault(rarest, []).append((literal, patterns))


class Searches:
    """The searches of a set's patterns in one text, each made at most once and only when asked for."""

    __slots__ = ("_found", "_possible", "_set", "_text")

    def __init__(self, patterns: PatternSet, text: str) -> None:
        self._set = patterns
        self._text = text
        self._possible: set[str] | None = None
        self._found: dict[str, bool] = {}

    @property
    def possible(self) -> set[str]:
        """The patterns that may be found in the text."""
        if self._possible is None:
            self._possible = self._set.possible(self._text)
        return self._possible

    def finds(self, pattern: str) -> bool:
        """Say whether the pattern is found in the text."""
        if pattern not in self.possible:
            return False
        found = self._found.get(pattern)
        if found is None:
            found = self._found[pattern] = self._set.search(pattern, self._text)
        return found


def _grams(literal: str) -> set[str]:
    return {literal[place : place + _GRAM] for place in range(len(literal) - _GRAM + 1)}
