"""What went wrong in an acquisition so far. Each attempt is a job of its own, so the errors gather beside them."""

from movies.movie import JobId, MovieId
from storage.database import Connection


def note(connection: Connection, movie_id: MovieId, *, attempt: int, reason: str, error: str) -> None:
    """One more failed attempt; the first one begins anew."""
    if attempt == 1:
        connection.execute("delete from acquisition_errors where movie_id = %s", (movie_id,))
    connection.execute(
        "insert into acquisition_errors (movie_id, attempt, reason, error) values (%s, %s, %s, %s)",
        (movie_id, attempt, reason, error[:4000]),
    )


def hand_over(connection: Connection, movie_id: MovieId, *, to: JobId) -> None:
    """They become those of the dead letter, which shows them with its own."""
    connection.execute(
        """with found as (delete from acquisition_errors where movie_id = %s returning *)
           insert into job_errors (job_id, attempt, reason, error, happened_at)
           select %s, attempt, reason, error, happened_at from found""",
        (movie_id, to),
    )
