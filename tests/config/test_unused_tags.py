"""Tags that no wanted movie has: no mistake, but what they are given to concerns no movie."""

from pathlib import Path

from config.contradictions import unused_tags
from config.loading import load
from tests.config.documents import written

WANTED = '[wanted.hd]\ntitles = ["x (2010)"]\ntags = ["patient"]\n'


def told(folder: Path, text: str) -> list[str]:
    return list(unused_tags(load(written(folder, text))))


def test_a_table_for_movies_that_nobody_wants_is_told_with_the_nearest_tag(tmp_path: Path) -> None:
    delay = '[[delays]]\ntags = ["patinet"]\ntorrent = "6h"\n'
    assert told(tmp_path, WANTED + delay) == [
        'delays: no movie is wanted with the tag "patinet"; did you mean "patient"?'
    ]
    restriction = '[[restrictions]]\ntags = ["x", "y"]\nignored = ["cam"]\n'
    assert told(tmp_path, restriction) == ['restrictions: no movie is wanted with the tag "x" or "y"']


def test_one_tag_that_a_wanted_movie_has_is_enough(tmp_path: Path) -> None:
    assert told(tmp_path, WANTED + '[[restrictions]]\ntags = ["other", "patient"]\nignored = ["cam"]\n') == []
