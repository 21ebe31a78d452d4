import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.title import clean_title, is_same_title


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Big Buck Bunny", "big.buck_bunny"),
        ("Amélie", "Amelie"),
        ("Fack Ju Göthe", "Fack.Ju.Goethe"),
        ("Fack Ju Göthe", "Fack Ju Gothe"),
        ("Die Weiße Rose", "Die Weisse Rose"),
        ("Smultronstället", "Smultronstallet"),
        ("Fast & Furious", "Fast and Furious"),
        ("Fast & Furious", "Fast Furious"),
        ("The Lord of the Rings", "The Lord Rings"),
        ("Rocky II", "Rocky 2"),
        ("Matrix, The", "The Matrix"),
        ("Schindler's List", "Schindlers List"),
        ("Schindler’s List", "Schindler's List"),  # noqa: RUF001 - the typographic apostrophe is the case
        ("R.I.P.D.", "RIPD"),
        ("S.W.A.T.", "swat"),
        ("Star Wars Episode V The Empire Strikes Back", "Star Wars Episode 5 The Empire Strikes Back"),
        ("Æon Flux", "Aeon Flux"),
        ("千と千尋の神隠し", "千と千尋の神隠し"),
    ],
)
def test_spellings_of_one_title_are_the_same(one: str, other: str) -> None:
    assert is_same_title(one, other)
    assert is_same_title(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Ring", "Ring"),
        ("Rocky II", "Rocky III"),
        ("Tokyo Ghoul", "Tokyo Ghoul A"),
        ("Alien", "Aliens"),
        ("???", "!!!"),
        ("", ""),
    ],
)
def test_different_titles_stay_different(one: str, other: str) -> None:
    assert not is_same_title(one, other)


def test_small_words_are_dropped_inside_but_not_at_the_ends() -> None:
    assert clean_title("The Word of the Word and") == "thewordwordand"


@given(st.text(max_size=60))
def test_a_clean_title_holds_letters_and_digits_only_and_is_its_own_key(title: str) -> None:
    cleaned = clean_title(title)
    assert all(c.isalnum() for c in cleaned)
    assert clean_title(cleaned.upper()).isalnum() or cleaned == ""


@given(st.lists(st.sampled_from(["big", "buck", "bunny", "tears", "steel"]), min_size=1, max_size=5))
def test_separators_make_no_difference(words: list[str]) -> None:
    assert clean_title(" ".join(words)) == clean_title(".".join(words)) == clean_title("_".join(words).upper())
