import os

from tests.movies.confusable import KINDS, measure, pairs

PAIRS = 10_000 if os.environ.get("UNDERSTUDY_TESTS") == "all" else 100 * len(KINDS)


def test_no_release_is_taken_for_another_movie_and_hardly_one_for_none() -> None:
    figures = measure(PAIRS)
    assert figures.wrong == 0, figures.examples
    assert figures.missed_ratio <= 0.01, figures.examples
    assert figures.right + figures.missed + figures.refused == 2 * PAIRS
    assert figures.refused < 2 * PAIRS / 10, "most names tell their movie"


def test_pairs_are_the_same_for_a_seed_and_share_no_title_with_another_pair() -> None:
    made = list(pairs(300))
    assert made == list(pairs(300))
    assert made != list(pairs(300, seed=2))
    assert {kind for kind, _ in made} == {kind.__name__ for kind in KINDS}
    titles = [title for _, pair in made for title in {title for film in pair for title in (film.title, *film.akas)}]
    assert len(titles) == len(set(titles))
