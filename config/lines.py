"""Where each table, key and array element of a TOML text stands; tomllib tells their values only.

Reads text that tomllib has accepted, so nothing here looks for mistakes.
"""

import re
import tomllib

Location = tuple[str | int, ...]
"""A path in the file: names of tables and keys, numbers of array elements from 0."""

_TOKEN = re.compile(
    r'''(?P<string> """(?:\\.|[^\\])*?"{3,5} | \'\'\'.*?'{3,5} | "(?:\\.|[^"\\])*+" | '[^']*' )
      | (?P<comment> \#[^\n]* )
      | (?P<mark> [\[\]{}=,.\n] )
      | (?P<bare> [^\s\[\]{}=,.\#"']+ )''',
    re.DOTALL | re.VERBOSE,
)
_END = "\n"


def lines_of(text: str) -> dict[Location, int]:
    """The line, from 1, of everything that has a location; a table's is that of its first header or key."""
    return _Reader(text).lines


class _Reader:
    """Walks the tokens once, from the first to the last."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Location, int] = {}
        self._tokens: list[tuple[str, int]] = []
        line, seen = 1, 0
        for match in _TOKEN.finditer(text):
            line, seen = line + text.count("\n", seen, match.start()), match.start()
            if match.lastgroup != "comment":
                self._tokens.append((match[0], line))
        self._tokens.append((_END, line))
        self._next = 0
        self._last_numbers: dict[Location, int] = {}
        self._read_document()

    def _read_document(self) -> None:
        table: Location = ()
        while self._next < len(self._tokens):
            match self._peek():
                case "\n":
                    self._take()
                case "[":
                    table = self._read_header()
                case _:
                    self._read_pair(table)

    def _read_header(self) -> Location:
        self._take()
        is_in_array = self._peek() == "["
        if is_in_array:
            self._take()
        line, names = self._line(), self._read_names()
        table: Location = ()
        for depth, name in enumerate(names, start=1):
            table = (*table, name)
            if is_in_array and depth == len(names):
                self._last_numbers[table] = self._last_numbers.get(table, -1) + 1
            self.lines.setdefault(table, line)
            if table in self._last_numbers:
                table = (*table, self._last_numbers[table])
                self.lines.setdefault(table, line)
        while self._peek() != _END:
            self._take()
        return table

    def _read_pair(self, table: Location) -> None:
        line = self._line()
        for name in self._read_names():
            table = (*table, name)
            self.lines.setdefault(table, line)
        self._take()  # the equals sign
        self._read_value(table)

    def _read_names(self) -> list[str]:
        names = [self._read_name()]
        while self._peek() == ".":
            self._take()
            names.append(self._read_name())
        return names

    def _read_name(self) -> str:
        token = self._take()
        return str(tomllib.loads(f"name = {token}")["name"]) if token[0] in "\"'" else token

    def _read_value(self, location: Location) -> None:
        match self._peek():
            case "[":
                self._read_array(location)
            case "{":
                self._read_inline_table(location)
            case _:
                while self._peek() not in (",", "]", "}", _END):  # numbers and dates are several tokens
                    self._take()

    def _read_array(self, location: Location) -> None:
        self._take()
        number = 0
        while (token := self._peek()) != "]":
            if token in (",", "\n"):
                self._take()
                continue
            self.lines[*location, number] = self._line()
            self._read_value((*location, number))
            number += 1
        self._take()

    def _read_inline_table(self, location: Location) -> None:
        self._take()
        while (token := self._peek()) != "}":
            if token in (",", "\n"):
                self._take()
            else:
                self._read_pair(location)
        self._take()

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _line(self) -> int:
        return self._tokens[self._next][1]

    def _take(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1][0]
