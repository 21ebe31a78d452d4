"""The config.toml of the repository: complete, true about the defaults, and right in its examples."""

import re
import tomllib
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from config.format_tables import AnyCondition
from config.judgement import Delay, ProfileTable, Restriction
from config.loading import load
from config.profiles import draft_of
from config.schema import Builtin, Config, Indexer, QBittorrent, Wanted
from movies.naming import render
from movies.profile import BUILTIN_PROFILES
from movies.quality import QUALITIES
from tests.config.documents import COMMITTED, FULL, written
from tests.config.guides import write_guides


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration with every example switched on."""
    monkeypatch.setenv("OPEN_MOVIES_KEY", "a key")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "qbit").write_text("a password\n")
    write_guides(tmp_path / "trash-guides")
    return load(written(tmp_path, FULL))


def test_the_committed_file_is_the_defaults() -> None:
    assert load(COMMITTED) == Config.model_validate({}, context={"folder": COMMITTED.parent})


def test_every_key_of_the_schema_is_in_the_file() -> None:
    document = tomllib.loads(FULL)
    by_type = {table["type"]: table for table in document["download_clients"]}
    document["download_clients"] = [by_type["builtin"]]
    builtin = set(keys_in(document))
    document["download_clients"] = [by_type["qbittorrent"]]
    assert set(keys_of(Config, without=QBittorrent)) == builtin
    assert set(keys_of(Config, without=Builtin)) == set(keys_in(document))


def keys_of(annotation: Any, *, without: type[BaseModel], place: str = "") -> Iterator[str]:
    """The dotted keys of a table class and of all tables in it; the names of tables that users choose are "*"."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            key = f"{place}{info.alias or name}"
            yield key
            yield from keys_of(info.annotation, without=without, place=f"{key}.")
        if extras := annotation.__annotations__.get("__pydantic_extra__"):
            yield from keys_of(extras, without=without, place=place)
    elif typing.get_origin(annotation) is dict:
        yield from keys_of(typing.get_args(annotation)[1], without=without, place=f"{place}*.")
    else:
        for inner in typing.get_args(annotation):
            if inner is not without:
                yield from keys_of(inner, without=without, place=place)


USERS_NAMES = {"profiles.", "profiles.*.formats.", "formats.", "wanted.", "retry.reasons.", "queue.limits."}


def keys_in(value: Any, *, place: str = "") -> Iterator[str]:
    """The same of what tomllib has read."""
    if isinstance(value, dict) and list(value) in (["env"], ["file"]):
        return  # a secret's table is one value
    if isinstance(value, dict):
        for name, inner in value.items():
            is_users_name = place in USERS_NAMES or (place == "sizes." and name in QUALITIES)
            key = f"{place}{'*' if is_users_name else name}"
            yield from () if is_users_name else (key,)
            yield from keys_in(inner, place=f"{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from keys_in(inner, place=place)


def test_the_examples_are_valid(full: Config) -> None:
    assert [client.type for client in full.download_clients] == ["builtin", "qbittorrent"]
    assert full.indexers[0].api_key.get_secret_value() == "a key"
    assert [movie.title for _, movie in full.wanted_movies() if movie.title] == ["The General", "Nosferatu"]
    assert "best" in full.all_profiles


def test_the_examples_show_the_defaults_except_where_they_say_otherwise(full: Config) -> None:
    bare = Indexer.model_validate({"name": "x", "url": "http://x"})
    assert differing(full.indexers[0], bare) == {"name", "url", "api_key", "seed_until", "required_flags", "tags"}
    builtin, qbittorrent = full.download_clients
    bare_builtin = Builtin.model_validate({"name": "builtin", "type": "builtin"})
    assert differing(builtin, bare_builtin) == {"seed_until", "download_dir"}  # that starts at the file's folder
    bare_qbittorrent = QBittorrent.model_validate({"name": "x", "type": "qbittorrent", "url": "http://x"})
    assert differing(qbittorrent, bare_qbittorrent) == {"name", "url", "password", "seed_until", "path_mappings"}
    best = full.profiles["best"]
    qualities = [list(group) for group in best.qualities]
    bare_profile = ProfileTable.model_validate({"qualities": qualities, "cutoff": best.cutoff})
    drafts = [draft_of(table, full.guide) for table in (best, bare_profile)]
    assert drafts[0] == replace(drafts[1], scores=best.formats)
    assert differing(full.delays[0], Delay()) == {"tags", "preferred", "torrent", "usenet", "bypass_score"}
    assert differing(full.restrictions[0], Restriction(required=("x",))) == set(Restriction.model_fields)
    assert differing(full.wanted["hd"], Wanted()) == set(Wanted.model_fields) - {"minimum_availability"}


def test_the_examples_have_every_type_of_condition(full: Config) -> None:
    shown = [type(condition) for condition in full.formats["surround"].conditions]
    assert shown == list(typing.get_args(typing.get_args(AnyCondition)[0]))


def differing(table: BaseModel, other: BaseModel) -> set[str]:
    return {name for name in type(table).model_fields if getattr(table, name) != getattr(other, name)}


def test_every_line_that_is_a_key_has_a_comment_or_is_its_own_explanation() -> None:
    obvious = {"name", "type", "url", "username", "path", "priority", "poll_interval", "remove", "usenet"}
    keys = [line for line in COMMITTED.read_text().splitlines() if re.match(r"(# )?\w+ = ", line)]
    assert [line for line in keys if "  #" not in line and " # " not in line and not named(line) & obvious] == []


def named(line: str) -> set[str]:
    return set(re.findall(r"^(?:# )?(\w+) = ", line))


def test_the_comments_name_every_profile_and_only_real_tokens() -> None:
    text = COMMITTED.read_text()
    sentence = re.search(r"There are (.*?);", text)
    assert sentence is not None
    assert set(re.split(r", | and ", sentence[1])) == set(BUILTIN_PROFILES)
    for token in re.findall(r"\{[A-Za-z. ]+\}", text):
        render(token, {})


def test_no_line_is_longer_than_a_screen() -> None:
    assert [line for line in COMMITTED.read_text().splitlines() if len(line) > 120] == []
