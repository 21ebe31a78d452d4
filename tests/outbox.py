"""Events for tests, told apart by the title in them."""

from collections.abc import Iterable

from movies.events import Happening, ReleaseChosen, Unrecognised
from movies.movie import MovieId
from storage import events
from storage.database import Connection, Database
from storage.events import BEGINNING, Cursor, Event


def chosen(title: str) -> ReleaseChosen:
    return ReleaseChosen(title=title, indexer="open", attempt=1)


def tell(connection: Connection, title: str, *, movie_id: int | None = None) -> None:
    """In this transaction."""
    events.emit(connection, chosen(title), movie_id=None if movie_id is None else MovieId(movie_id))


def emit(database: Database, *titles: str, movie_id: int | None = None) -> None:
    """Each in a transaction of its own."""
    for title in titles:
        with database.transaction() as connection:
            tell(connection, title, movie_id=movie_id)


def title_of(what: Happening | Unrecognised) -> str:
    assert isinstance(what, ReleaseChosen), what
    return what.title


def titles(found: Iterable[Event]) -> list[str]:
    return [title_of(event.what) for event in found]


def titles_after(database: Database, cursor: Cursor = BEGINNING, *, limit: int = 500) -> list[str]:
    with database.transaction() as connection:
        return titles(events.after(connection, cursor, limit=limit))


def age(database: Database, *titles: str, seconds: float = 7200.0) -> None:
    """Make these events older (all, if none is named)."""
    with database.transaction() as connection:
        connection.execute(
            """update events set happened_at = happened_at - make_interval(secs => %s)
               where %s::text[] = '{}' or payload->>'title' = any(%s)""",
            (seconds, list(titles), list(titles)),
        )


def prune(database: Database) -> int:
    """Forget what is older than an hour."""
    with database.transaction() as connection:
        return events.prune(connection, older_than_s=3600.0)
