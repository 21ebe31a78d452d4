"""The decision log: what is thought of each release found for a movie, and what each decision knew when it was made."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from movies.movie import MovieId, ReleaseId
from movies.quality import UNKNOWN
from movies.release import Unparsable
from movies.verdict import Verdict
from storage.database import Connection
from storage.targets import Known

FRESH_S = 900.0
"""How long a decision tells what a root has left; a movie that waits for room is decided about more often."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One judgement of a movie's releases; `ranking` has those that could be taken, best first.

    `taken_by`: what set the one that was taken before the next; None: there was no other.
    """

    movie_id: MovieId
    target: Known
    closed_indexers: Collection[str] = ()
    judged: Sequence[ReleaseId]
    ranking: Sequence[ReleaseId] = ()
    taken: ReleaseId | None = None
    taken_by: str | None = None


def log_verdicts(connection: Connection, movie_id: MovieId, verdicts: Iterable[tuple[ReleaseId, Verdict]]) -> None:
    """What is thought of each release now, with all reasons; replaces what was thought before."""
    rows = {release_id: _row(release_id, verdict) for release_id, verdict in verdicts}
    if not rows:
        return
    connection.execute(
        """insert into verdicts (movie_id, release_id, is_accepted, is_pending, until, quality, score, formats, reasons)
           select %s, verdict.* from jsonb_to_recordset(%s) as verdict (
               release_id bigint, is_accepted boolean, is_pending boolean, until timestamptz, quality text, score int,
               formats text[], reasons jsonb)
           order by release_id
           on conflict (movie_id, release_id) do update set is_accepted = excluded.is_accepted,
               is_pending = excluded.is_pending, until = excluded.until, quality = excluded.quality,
               score = excluded.score, formats = excluded.formats, reasons = excluded.reasons,
               decided_at = clock_timestamp()""",
        (movie_id, Jsonb(list(rows.values()))),
    )


def _row(release_id: ReleaseId, verdict: Verdict) -> dict[str, Any]:
    quality = UNKNOWN if isinstance(verdict.parsed, Unparsable) else verdict.parsed.quality
    return {
        "release_id": release_id,
        "is_accepted": verdict.is_accepted,
        "is_pending": verdict.is_pending,
        "until": verdict.until and verdict.until.isoformat(),
        "quality": quality.name,
        "score": verdict.score.total,
        "formats": list(verdict.score.names),
        "reasons": [rejection.as_json() for rejection in verdict.rejections],
    }


def record(connection: Connection, decision: Decision) -> None:
    """Keep what a decision knew."""
    connection.execute(
        """insert into decisions (movie_id, target, closed_indexers, judged, ranking, taken, taken_by)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        (
            decision.movie_id,
            Jsonb(decision.target),
            sorted(decision.closed_indexers),
            list(decision.judged),
            list(decision.ranking),
            decision.taken,
            decision.taken_by,
        ),
    )


def free_bytes(connection: Connection, movie_id: MovieId) -> int | None:
    """What the movie's root had left by its last decision; None: that is long ago, or nobody had looked."""
    row = connection.execute(
        """select (target ->> 'free_bytes')::bigint as free_bytes from decisions
           where movie_id = %s and decided_at > now() - make_interval(secs => %s) order by id desc limit 1""",
        (movie_id, FRESH_S),
    ).fetchone()
    return row["free_bytes"] if row else None


def has_verdict_since(connection: Connection, movie_id: MovieId, since: datetime) -> bool:
    """Whether something was judged for the movie after `since`."""
    row = connection.execute(
        "select from verdicts where movie_id = %s and decided_at > %s limit 1", (movie_id, since)
    ).fetchone()
    return row is not None


def judged(connection: Connection, movie_id: MovieId, *, limit: int = 500) -> list[dict[str, Any]]:
    """What is thought of a movie's releases: first those that may be taken, then those that may be soon."""
    return connection.execute(
        """select releases.id, indexer, title, protocol, size_bytes, seeders, published_at, quality, score, formats,
                  is_accepted, is_pending, until, reasons, decided_at
           from verdicts join releases on releases.id = verdicts.release_id
           where movie_id = %s order by is_accepted desc, is_pending desc, releases.id desc limit %s""",
        (movie_id, limit),
    ).fetchall()


def taken(connection: Connection, movie_id: MovieId) -> dict[str, Any] | None:
    """The movie's last decision that took a release; None: nothing has been taken yet."""
    return connection.execute(
        """select id, judged, ranking, taken, taken_by, decided_at from decisions
           where movie_id = %s and taken is not null order by id desc limit 1""",
        (movie_id,),
    ).fetchone()


def since(connection: Connection, at: datetime, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """A page of the decisions since a time, by id; `after` is the last id of the page before."""
    return connection.execute(
        """select id, movie_id, target, closed_indexers, judged, ranking, taken, decided_at from decisions
           where decided_at >= %s and id > %s order by id limit %s""",
        (at, after, limit),
    ).fetchall()


def prune(connection: Connection, *, older_than_s: float, limit: int) -> int:
    """Forget what old decisions knew that took nothing; those that did are few, and explain what is in the library."""
    return connection.execute(
        """delete from decisions where id = any(array(
               select id from decisions where decided_at < now() - make_interval(secs => %s) and taken is null
               order by decided_at, id limit %s))""",
        (older_than_s, limit),
    ).rowcount
