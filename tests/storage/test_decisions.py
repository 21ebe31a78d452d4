"""The decision log: the verdict of now for each release, and what each decision knew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from movies.custom_format import FormatScore
from movies.movie import MovieId, ReleaseId, WantedMovie
from movies.offer import Offer
from movies.release import parse_release
from movies.verdict import Kind, Reason, Rejection, Verdict
from storage import decisions, movies, releases
from storage.database import Database
from storage.decisions import Decision
from tests.storage.rows import RELEASE, add_release

LATER = datetime(2026, 12, 1, tzinfo=UTC)
TARGET = {"movie_id": 1, "title": "Sintel", "file": None}


@pytest.fixture
def movie_id(database: Database) -> MovieId:
    with database.transaction() as connection:
        wanted = WantedMovie(title="Sintel", year=2010, profile="hd")
        return movies.claim_movie(connection, wanted, source="api", root="/library")


def verdict(*rejections: Rejection, title: str = RELEASE, score: int = 0) -> Verdict:
    offer = Offer(indexer="one", guid=title, title=title)
    names = ("x265",) if score else ()
    return Verdict(
        offer=offer, parsed=parse_release(title), score=FormatScore(total=score, names=names), rejections=rejections
    )


def reason(kind: Kind = "permanent", *, until: datetime | None = None) -> Rejection:
    return Rejection(reason=Reason.DELAY, kind=kind, text="it waits", until=until)


def log(database: Database, movie_id: MovieId, *verdicts: Verdict) -> list[ReleaseId]:
    with database.transaction() as connection:
        ids = [add_release(connection, verdict.offer.title) for verdict in verdicts]
        decisions.log_verdicts(connection, movie_id, zip(ids, verdicts, strict=True))
    return ids


def judged(database: Database, movie_id: MovieId) -> list[dict[str, Any]]:
    with database.transaction() as connection:
        return decisions.judged(connection, movie_id)


def test_the_room_that_a_recent_decision_saw_is_known(database: Database, movie_id: MovieId) -> None:
    with database.transaction() as connection:
        assert decisions.free_bytes(connection, movie_id) is None
        for free_bytes in (7, 5 * 2**40):
            target = TARGET | {"free_bytes": free_bytes}
            decisions.record(connection, Decision(movie_id=movie_id, target=target, judged=()))
        assert decisions.free_bytes(connection, movie_id) == 5 * 2**40
        connection.execute("update decisions set decided_at = now() - interval '1 hour'")
        assert decisions.free_bytes(connection, movie_id) is None


def record(database: Database, movie_id: MovieId, *ids: ReleaseId, taken: ReleaseId | None = None) -> None:
    with database.transaction() as connection:
        decisions.record(
            connection,
            Decision(
                movie_id=movie_id, target=TARGET, closed_indexers={"b", "a"}, judged=ids, ranking=ids, taken=taken
            ),
        )


def test_a_verdict_is_kept_with_its_reasons_its_score_and_its_formats(database: Database, movie_id: MovieId) -> None:
    log(database, movie_id, verdict(reason(), reason("temporary", until=LATER), score=7))
    (row,) = judged(database, movie_id)
    assert (row["is_accepted"], row["is_pending"], row["until"]) == (False, False, None)
    assert (row["quality"], row["score"], row["formats"]) == ("Bluray-1080p", 7, ["x265"])
    assert row["reasons"] == [
        {"reason": "delay", "kind": "permanent", "text": "it waits"},
        {"reason": "delay", "kind": "temporary", "text": "it waits", "until": "2026-12-01T00:00:00+00:00"},
    ]


def test_a_release_is_pending_until_the_last_of_its_reasons_ends(database: Database, movie_id: MovieId) -> None:
    sooner = reason("temporary", until=LATER - timedelta(days=1))
    log(database, movie_id, verdict(sooner, reason("temporary", until=LATER)))
    (row,) = judged(database, movie_id)
    assert (row["is_accepted"], row["is_pending"], row["until"]) == (False, True, LATER)


def test_the_verdict_of_now_takes_the_place_of_the_one_before(database: Database, movie_id: MovieId) -> None:
    log(database, movie_id, verdict(reason("temporary", until=LATER), score=7))
    log(database, movie_id, verdict())
    (row,) = judged(database, movie_id)
    assert (row["is_accepted"], row["is_pending"], row["until"], row["score"], row["reasons"]) == (
        True,
        False,
        None,
        0,
        [],
    )


def test_an_unreadable_name_has_a_verdict_too(database: Database, movie_id: MovieId) -> None:
    log(database, movie_id, verdict(reason(), title="abcdef0123456789abcdef"))
    (row,) = judged(database, movie_id)
    assert row["quality"] == "Unknown"


def test_what_may_be_taken_comes_before_what_may_be_soon_and_the_rest(database: Database, movie_id: MovieId) -> None:
    accepted, pending, rejected = verdict(), verdict(reason("temporary"), title="B.2010"), verdict(reason(), title="C")
    log(database, movie_id, rejected, pending, accepted)
    assert [row["title"] for row in judged(database, movie_id)] == [RELEASE, "B.2010", "C"]


def test_what_was_judged_since_is_seen(database: Database, movie_id: MovieId) -> None:
    log(database, movie_id, verdict())
    (row,) = judged(database, movie_id)
    with database.transaction() as connection:
        assert decisions.has_verdict_since(connection, movie_id, row["decided_at"] - timedelta(microseconds=1))
        assert not decisions.has_verdict_since(connection, movie_id, row["decided_at"])


def test_the_last_decision_that_took_something_explains_what_is_there(database: Database, movie_id: MovieId) -> None:
    one, other = log(database, movie_id, verdict(), verdict(title="B.2010"))
    for taken in (one, other, None):
        record(database, movie_id, one, other, taken=taken)
    with database.transaction() as connection:
        found = decisions.taken(connection, movie_id)
    assert found is not None
    assert (found["taken"], found["judged"], found["ranking"]) == (other, [one, other], [one, other])


def test_decisions_are_read_from_a_time_on_in_pages(database: Database, movie_id: MovieId) -> None:
    (release_id,) = log(database, movie_id, verdict())
    for _ in range(5):
        record(database, movie_id, release_id)
    with database.transaction() as connection:
        connection.execute("update decisions set decided_at = now() - interval '2 days' where id = 1")
        since = datetime.now(UTC) - timedelta(days=1)
        first = decisions.since(connection, since, limit=2)
        rest = decisions.since(connection, since, after=first[-1]["id"])
    assert [row["id"] for row in first + rest] == [2, 3, 4, 5]
    assert (first[0]["target"], first[0]["closed_indexers"]) == (TARGET, ["a", "b"])


def test_old_decisions_go_but_for_those_that_took_something(database: Database, movie_id: MovieId) -> None:
    (release_id,) = log(database, movie_id, verdict())
    for taken in (None, release_id, None):
        record(database, movie_id, release_id, taken=taken)
    with database.transaction() as connection:
        connection.execute("update decisions set decided_at = now() - interval '2 days' where id < 3")
        assert decisions.prune(connection, older_than_s=86400, limit=10) == 1
        assert decisions.prune(connection, older_than_s=86400, limit=10) == 0
        ids = [row["id"] for row in decisions.since(connection, datetime(2000, 1, 1, tzinfo=UTC))]
    assert ids == [2, 3]


def test_a_movie_and_a_release_that_go_take_the_log_along(database: Database, movie_id: MovieId) -> None:
    (release_id,) = log(database, movie_id, verdict())
    record(database, movie_id, release_id, taken=release_id)
    with database.transaction() as connection:
        connection.execute("delete from releases")
        assert decisions.taken(connection, movie_id) is None
        assert decisions.judged(connection, movie_id) == []
        assert releases.offers(connection, [release_id]) == {}
        connection.execute("delete from movies")
        assert decisions.since(connection, datetime(2000, 1, 1, tzinfo=UTC)) == []
