"""What callers of the movies floor may have to decide about.

MovieError
├── UnknownQuality   a quality name that is not in the table
├── BadProfile       a profile whose groups, cutoff or names contradict each other
├── BadPattern       a naming pattern with a token nobody knows
├── BadRegex         a regular expression that does not compile
├── BadFormat        a custom format, or a document of the guides, that nobody can judge by
└── BadWanted        a wanted line without a title
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MovieError(Exception):
    """Base of every error this floor raises."""


class UnknownQuality(MovieError, KeyError):
    """A quality name that is not in the table."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class BadProfile(MovieError, ValueError):
    """A profile whose groups, cutoff or names contradict each other."""


class BadPattern(MovieError, ValueError):
    """A naming pattern that cannot be rendered."""


class BadRegex(MovieError, ValueError):
    """A regular expression that does not compile."""


class BadFormat(MovieError, ValueError):
    """A custom format without conditions, or a document of the guides in another shape than theirs."""


class BadWanted(MovieError, ValueError):
    """A wanted line from which no title can be read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean "X"?` for the nearest known name, or an empty string."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    nearest = get_close_matches(name.casefold(), by_folded, n=1)
    return f'; did you mean "{by_folded[nearest[0]]}"?' if nearest else ""
