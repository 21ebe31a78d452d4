"""What the rest of the program reads from a configuration."""

from pathlib import Path

import pytest

from config.loading import load
from config.schema import Builtin, Config, QBittorrent
from movies.movie import WantedMovie
from tests.config.documents import written


def configured(folder: Path, text: str) -> Config:
    return load(written(folder, text))


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", 0), ("[::]:65535", "::", 65535), ("my-host.lan:80", "my-host.lan", 80)],
)
def test_an_address_to_listen_on_has_a_host_and_a_port(listen: str, host: str, port: int, tmp_path: Path) -> None:
    api = configured(tmp_path, f'[api]\nlisten = "{listen}"').api
    assert (api.host, api.port) == (host, port)


def test_the_type_of_a_client_says_which_keys_it_has(tmp_path: Path) -> None:
    text = """
[[download_clients]]
name = "one"
type = "qbittorrent"
url = "https://seedbox.example:8080/qb/"
path_mappings = [{ remote = "/downloads", local = "seedbox" }]
[[download_clients]]
name = "two"
type = "builtin"
download_limit = "1.5MiB"
"""
    one, two = configured(tmp_path, text).download_clients
    assert isinstance(one, QBittorrent)
    assert one.path_mappings[0].local == tmp_path / "seedbox"
    assert isinstance(two, Builtin)
    assert two.download_limit == 3 * 2**19
    assert two.download_dir == tmp_path / "downloads"


def test_without_clients_in_the_file_there_is_the_builtin_one_and_an_empty_list_means_none(tmp_path: Path) -> None:
    assert [client.type for client in configured(tmp_path, "").download_clients] == ["builtin"]
    assert configured(tmp_path, "download_clients = []").download_clients == ()


def test_a_profile_of_the_file_wins_over_a_builtin_one_of_that_name(tmp_path: Path) -> None:
    text = '[profiles.hd]\nqualities = ["dvd", ["SDTV"]]'
    profiles = configured(tmp_path, text).all_profiles
    assert profiles["hd"].groups == (("DVD",), ("SDTV",))
    assert "ultra-hd" in profiles


def test_a_profiles_cutoff_is_its_best_quality_unless_given_and_may_be_in_any_case(tmp_path: Path) -> None:
    text = """
[profiles.a]
qualities = [["DVD", "SDTV"], "CAM"]
[profiles.b]
qualities = ["DVD", "SDTV"]
cutoff = "sdtv"
"""
    profiles = configured(tmp_path, text).all_profiles
    assert (profiles["a"].cutoff, profiles["b"].cutoff) == ("DVD", "SDTV")


def test_a_wanted_movie_has_its_tables_profile_and_root_or_the_tables_name_and_the_first_root(tmp_path: Path) -> None:
    text = """
[[roots]]
path = "a"
[[roots]]
path = "b"
[wanted.sd]
tmdb = [45745]
titles = ["2001: A Space Odyssey (1968)", "1984"]
[wanted.classics]
profile = "hd"
root = "./b"
imdb = ["tt0063350"]
"""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert configured(tmp_path, text).wanted_movies() == [
        ("sd", WantedMovie(tmdb_id=45745, profile="sd", root=a)),
        ("sd", WantedMovie(title="2001: A Space Odyssey", year=1968, profile="sd", root=a)),
        ("sd", WantedMovie(title="1984", profile="sd", root=a)),
        ("classics", WantedMovie(imdb_id="tt0063350", profile="hd", root=b)),
    ]


def test_the_end_of_the_recycle_bins_path_does_not_matter(tmp_path: Path) -> None:
    assert configured(tmp_path, '[import]\nrecycle_bin = "bin/old/"').import_.recycle_bin == "bin/old"


@pytest.mark.parametrize(
    "pattern",
    ["{Movie Title}", "films/{movie.title}/{Release Year}", "{Movie Title} {tmdb-{TmdbId}}", "Ö {MOVIE TITLE}"],
)
def test_a_pattern_that_tells_movies_apart_names_folders(pattern: str, tmp_path: Path) -> None:
    assert configured(tmp_path, f'[naming]\nfolder = "{pattern}"').naming.folder == pattern
