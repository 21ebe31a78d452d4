"""Movies and what happens to them: identities, states, and how a wanted movie is written."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from movies.availability import Availability
from movies.errors import BadWanted

MovieId = NewType("MovieId", int)
ReleaseId = NewType("ReleaseId", int)
DownloadId = NewType("DownloadId", int)
JobId = NewType("JobId", int)


class MovieState(StrEnum):
    """How far the acquisition of a movie has come; `blocked` waits for a person."""

    WANTED = "wanted"
    SEARCHING = "searching"
    GRABBING = "grabbing"
    DOWNLOADING = "downloading"
    IMPORTING = "importing"
    IMPORTED = "imported"
    FAILED = "failed"
    BLOCKED = "blocked"


class DownloadState(StrEnum):
    """What becomes of one download, in the client and after it; `metadata` is a magnet still without its file list."""

    GRABBING = "grabbing"
    QUEUED = "queued"
    METADATA = "metadata"
    DOWNLOADING = "downloading"
    STALLED = "stalled"
    PAUSED = "paused"
    COMPLETED = "completed"
    IMPORTING = "importing"
    IMPORTED = "imported"
    FAILED = "failed"
    REMOVED = "removed"
    BLOCKED = "blocked"


@dataclass(frozen=True, kw_only=True)
class WantedMovie:
    """A movie somebody asks for, known by title and year, by an id, or by both.

    `imdb_id` is written "tt0133093". `root` is a root folder's path; `None` leaves the choice to the daemon.
    """

    title: str | None = None
    year: int | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    profile: str
    root: str | None = None
    tags: tuple[str, ...] = ()
    minimum_availability: Availability = Availability.RELEASED


_TITLE_AND_YEAR = re.compile(r"(.*\S)\s*\((\d{4})\)", re.DOTALL)


def parse_wanted(line: str) -> tuple[str, int | None]:
    """Read `Title (Year)` or `Title`; a year counts only in parentheses, since numbers end many titles.

    Raises `BadWanted` when there is no title.
    """
    stripped = line.strip()
    match = _TITLE_AND_YEAR.fullmatch(stripped)
    title, year = (match[1], int(match[2])) if match else (stripped, None)
    if not any(c.isalnum() for c in title):
        raise BadWanted(f'"{line}" names no movie; write "Title (Year)"')
    return title, year
