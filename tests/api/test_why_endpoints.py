"""Why over HTTP: what was found, what was taken, what would be taken now, and what a release lacks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from api.judging import facts_of
from config.digest import digest_of
from metrics.control_channel import Answer
from movies.case import Moment
from movies.decision import decide_all
from movies.movie import MovieId, ReleaseId, WantedMovie
from movies.offer import Offer
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES
from movies.release import parse_release
from storage import decisions, movie_titles, movies, releases, targets
from storage.database import Database
from storage.decisions import Decision
from storage.releases import Links
from tests.api.running import Api, running_api

CONFIG = """
[[indexers]]
name = "one"
url = "http://127.0.0.1:1/api"
[wanted.hd]
titles = ["Sintel (2010)", "Dune (2021)", "Dune (1984)"]
"""
BLURAY, WEB, CAM = (f"Sintel.2010.{rest}" for rest in ("1080p.BluRay.x264-A", "1080p.WEB-DL.H264-B", "HDCAM.x264-C"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def api(
    module_database: Database, answers: dict[str, Answer], tmp_path_factory: pytest.TempPathFactory, config: Path
) -> Iterator[Api]:
    settings: dict[str, Any] = {"config": str(config), "config_digest": digest_of(config)}
    with running_api(module_database.dsn, tmp_path_factory.mktemp("api"), answers=answers, **settings) as api:
        api.await_ready()
        yield api


@pytest.fixture(scope="module")
def sintel(module_database: Database) -> MovieId:
    """Three releases were found, and the best of the two that may be was taken."""
    with module_database.transaction() as connection:
        source = "file:here:config.toml:wanted.hd"
        ids = [
            movies.claim_movie(
                connection, WantedMovie(title=title, year=year, profile="hd"), source=source, root="/library"
            )
            for title, year in (("Sintel", 2010), ("Dune", 2021), ("Dune", 1984))
        ]
        found = [Offer(indexer="one", guid=title, title=title) for title in (BLURAY, WEB, CAM)]
        recorded = releases.record(connection, [(offer, Links(link="http://x/?key=k", magnet=None)) for offer in found])
        offers = {recorded[offer.guid][0]: offer for offer in found}
        judge(module_database, connection, ids[0], offers)
    return ids[0]


def judge(database: Database, connection: Any, movie_id: MovieId, offers: dict[ReleaseId, Offer]) -> None:
    pairs = [(offer, parse_release(offer.title)) for offer in offers.values()]
    known = targets.concerned(connection, pairs, also=[movie_id])[movie_id]
    target = targets.target_of(known, profiles=BUILTIN_PROFILES, policy=Policy())
    assert target is not None
    verdicts = dict(zip(offers, decide_all(pairs, target, moment=Moment(now=datetime.now(UTC))), strict=True))
    accepted = [release_id for release_id, verdict in verdicts.items() if verdict.is_accepted]
    decisions.log_verdicts(connection, movie_id, verdicts.items())
    decisions.record(
        connection,
        Decision(
            movie_id=movie_id,
            target=known,
            judged=list(offers),
            ranking=accepted,
            taken=accepted[0],
            taken_by="quality",
        ),
    )


def why(api: Api, movie: object) -> Any:
    return api.ask(f"/api/why?movie={quote(str(movie))}")


def why_not(api: Api, release: str, **more: str) -> Any:
    answer = api.ask(f"/api/why-not?{urlencode({'release': release, **more})}")
    assert answer.status == 200, answer.body
    return answer.json


def test_a_movie_is_asked_for_by_id_and_by_name(api: Api, sintel: MovieId) -> None:
    for name in (sintel, "Sintel", "sintel (2010)"):
        assert why(api, name).json["movie"]["id"] == sintel
    assert why(api, "Sintel (1998)").status == 404
    assert why(api, "Nobody Made This").status == 404
    assert why(api, " ").status == 400
    assert why(api, "...").status == 400


def test_who_may_mean_several_movies_is_told_which_there_are(api: Api, sintel: MovieId) -> None:
    answer = why(api, "Dune")
    assert answer.status == 400
    assert "Dune (2021)" in answer.json["error"]
    assert "Dune (1984)" in answer.json["error"]
    assert why(api, "Dune (1984)").status == 200


def test_what_was_taken_is_told_with_what_it_was_better_than_and_by_what(api: Api, sintel: MovieId) -> None:
    taken = why(api, sintel).json["taken"]
    assert taken["release"]["title"] == BLURAY
    assert [release["title"] for release in taken["ranking"]] == [BLURAY, WEB]
    assert (taken["of"], taken["by"]) == (3, "quality")


def test_what_was_found_is_told_with_every_reason_and_what_would_be_taken_now(api: Api, sintel: MovieId) -> None:
    answer = why(api, sintel).json
    by_title = {row["title"]: row for row in answer["found"]}
    assert by_title.keys() == {BLURAY, WEB, CAM}
    assert by_title[CAM]["reasons"][0]["reason"] == "quality_not_allowed"
    assert answer["now"]["would_take"]["title"] == BLURAY
    assert "key=k" not in str(answer), "download links are nobody's business"


def test_what_speaks_against_a_release_is_told_with_the_change_that_would_help(api: Api, sintel: MovieId) -> None:
    (answer,) = why_not(api, CAM)["movies"]
    assert (answer["movie"]["id"], answer["verdict"]) == (sintel, "rejected")
    assert [reason["reason"] for reason in answer["reasons"]] == ["quality_not_allowed"]
    assert answer["is_indexer_configured"]
    assert answer["remedy"]["possible"]
    assert any("CAM" in str(change["new"]) for change in answer["remedy"]["changes"]), answer["remedy"]


def test_a_release_against_which_nothing_speaks_is_compared_with_the_best(api: Api, sintel: MovieId) -> None:
    (answer,) = why_not(api, WEB)["movies"]
    assert (answer["verdict"], answer["better"]["title"], answer["better"]["by"]) == ("accepted", BLURAY, "quality")
    (best,) = why_not(api, BLURAY)["movies"]
    assert best["better"] is None


def test_a_name_that_was_never_found_is_judged_all_the_same(api: Api, sintel: MovieId) -> None:
    answer = why_not(api, "Sintel.2010.720p.HDTV.x264-NOBODY")
    assert not answer["is_found"]
    assert (answer["read_as"]["title"], answer["read_as"]["quality"]) == ("Sintel", "HDTV-720p")
    (one,) = answer["movies"]
    assert (one["release"]["id"], one["verdict"], one["better"]["title"]) == (None, "accepted", BLURAY)


def test_a_release_of_no_wanted_movie_concerns_none_unless_one_is_named(api: Api, sintel: MovieId) -> None:
    other = "Tears.of.Steel.2012.1080p.BluRay.x264-A"
    assert why_not(api, other)["movies"] == []
    (answer,) = why_not(api, other, movie="Sintel")["movies"]
    assert [reason["reason"] for reason in answer["reasons"]] == ["movie_does_not_match"]
    assert not answer["remedy"]["possible"]


def test_a_name_that_could_be_two_movies_is_told_to_be_so_for_both(api: Api, sintel: MovieId) -> None:
    answers = why_not(api, "Dune.1080p.BluRay.x264-A")["movies"]
    assert {answer["movie"]["year"] for answer in answers} == {1984, 2021}
    assert all(answer["verdict"] == "rejected" for answer in answers)


def test_an_unreadable_name_is_said_to_be_so(api: Api, sintel: MovieId) -> None:
    answer = why_not(api, "abcdef0123456789abcdef")
    assert (answer["unreadable"], answer["movies"]) == ("obfuscated", [])


def test_decisions_are_told_with_what_they_knew_and_no_links(api: Api, sintel: MovieId) -> None:
    ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    (decision,) = api.ask(f"/api/decisions?{urlencode({'since': ago})}").json["decisions"]
    assert decision["target"]["title"] == "Sintel"
    assert {release["title"] for release in decision["judged"]} == {BLURAY, WEB, CAM}
    assert "key=k" not in str(decision)
    later = f"/api/decisions?{urlencode({'since': ago, 'after': decision['id']})}"
    assert api.ask(later).json == {"decisions": []}
    assert api.ask("/api/decisions?since=yesterday").status == 400


def test_a_file_that_changed_since_the_start_is_said_to_have_and_one_that_broke_is_no_answer(
    api: Api, sintel: MovieId, config: Path
) -> None:
    assert not why(api, sintel).json["is_config_changed"]
    try:
        config.write_text(CONFIG + '\n[profiles.hd]\nqualities = ["WEBDL-1080p"]\n')
        answer = why(api, sintel).json
        assert answer["is_config_changed"]
        assert answer["now"]["would_take"]["title"] == WEB
        config.write_text("[wanted")
        assert why(api, sintel).status == 503
    finally:
        config.write_text(CONFIG)
    assert not why(api, sintel).json["is_config_changed"]


def test_room_is_judged_by_what_the_daemon_last_saw_of_it(module_database: Database, sintel: MovieId) -> None:
    with module_database.transaction() as connection:
        (dune,) = movie_titles.search(connection, "Dune (1984)")
        assert facts_of(connection, dune).known["free_bytes"] is None
        decisions.record(connection, Decision(movie_id=dune, target={"free_bytes": 7}, judged=()))
        assert facts_of(connection, dune).known["free_bytes"] == 7
