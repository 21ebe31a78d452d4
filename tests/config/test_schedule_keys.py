"""Times of day, their time zone, and for how long things are kept."""

from pathlib import Path

import pytest

from config.loading import load
from tests.config.documents import mistakes_in, written


@pytest.mark.parametrize("daily", ["00:00", "03:30", "23:59", ""])
def test_a_backup_is_made_at_a_time_of_day_or_never(tmp_path: Path, daily: str) -> None:
    assert load(written(tmp_path, f'[backup]\ndaily = "{daily}"\n')).backup.daily == daily


@pytest.mark.parametrize("daily", ["24:00", "3:30", "03:60", "0330", "03:30:00", "noon", " "])
def test_what_is_no_time_of_day_is_refused(tmp_path: Path, daily: str) -> None:
    assert mistakes_in(written(tmp_path, f'[backup]\ndaily = "{daily}"\n')) == [
        '2: backup.daily: expected a time of day such as "03:30", or ""'
    ]


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", ""])
def test_a_time_zone_is_one_that_this_machine_knows(tmp_path: Path, name: str) -> None:
    assert load(written(tmp_path, f'[daemon]\ntimezone = "{name}"\n')).daemon.timezone == name


@pytest.mark.parametrize(
    "name", ["Berlin", "Europe/Nowhere", "../../etc/localtime", "/etc/localtime", "Europe", "X\\u0000"]
)
def test_what_is_no_time_zone_is_refused(tmp_path: Path, name: str) -> None:
    (mistake,) = mistakes_in(written(tmp_path, f'[daemon]\ntimezone = "{name}"\n'))
    assert mistake.startswith("2: daemon.timezone: ")


def test_nothing_is_kept_for_so_short_a_time_that_it_is_needed_still(tmp_path: Path) -> None:
    document = '[storage]\nkeep_jobs = "1s"\nkeep_history = "1h"\n'
    first, second = mistakes_in(written(tmp_path, document))
    assert first.startswith("2: storage.keep_jobs: ")
    assert second.startswith("3: storage.keep_history: ")


def test_the_programs_folder_begins_at_the_folder_of_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")).backup.binaries is None
    assert load(written(tmp_path, '[backup]\nbinaries = "pg/bin"\n')).backup.binaries == tmp_path / "pg" / "bin"
