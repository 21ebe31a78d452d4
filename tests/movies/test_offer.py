from datetime import UTC, datetime

from movies.offer import Protocol, blocklist_keys, release_key

NAME = "Sintel.2010.1080p.WEB-DL.H264-DURIAN"


def test_a_release_has_one_key_in_all_spellings_of_its_name() -> None:
    assert release_key(NAME) == release_key(NAME.replace(".", " ")) == release_key(NAME.lower().replace(".", "_"))
    assert release_key(NAME) != release_key(NAME.replace("WEB-DL", "WEBRip"))


def test_what_keeps_a_release_out_is_its_hash_and_its_name_at_one_place() -> None:
    key = release_key(NAME)
    at = datetime(1970, 1, 1, 0, 2, 30, tzinfo=UTC)
    assert blocklist_keys(title=NAME, infohash="AB" * 20, indexer="one") == {"ab" * 20, f"{key}@one"}
    assert blocklist_keys(title=NAME, indexer="one", protocol=Protocol.USENET, published_at=at) == {f"{key}@2"}
    assert blocklist_keys(title=NAME) == {key}
