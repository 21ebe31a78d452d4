"""Times of day, their time zone, and for how long things are kept."""

from pathlib import Path

import pytest

from config.loading import load
from daemon.backups import folder_of
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


def test_backups_lie_in_the_data_folder_unless_another_is_given(tmp_path: Path) -> None:
    assert folder_of(load(written(tmp_path, ""))) == tmp_path / "data" / "backups"
    assert folder_of(load(written(tmp_path, '[backup]\nfolder = "/mnt/nas"\n'))) == Path("/mnt/nas")


@pytest.mark.parametrize(("folder", "where"), [("library/old", "inside the root"), ("data/postgres/x", "the database")])
def test_backups_lie_neither_among_films_nor_in_the_database(folder: str, where: str, tmp_path: Path) -> None:
    (mistake,) = mistakes_in(written(tmp_path, f'[backup]\nfolder = "{folder}"\n'))
    assert mistake.startswith("2: backup.folder: backups must not lie inside")
    assert where in mistake


def test_the_programs_folder_begins_at_the_folder_of_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")).backup.binaries is None
    assert load(written(tmp_path, '[backup]\nbinaries = "pg/bin"\n')).backup.binaries == tmp_path / "pg" / "bin"


@pytest.mark.parametrize("schedule", ["1m", "1h30m", "7d", "0 * * * *", "30 3 * * *", "0 4 * * mon-fri", "0 0 29 2 *"])
def test_a_task_is_due_every_so_long_or_by_a_cron_expression(schedule: str, tmp_path: Path) -> None:
    loaded = load(written(tmp_path, f'[schedules]\nhousekeeping = "{schedule}"\nbackup = "{schedule}"\n')).schedules
    assert (loaded.housekeeping, loaded.backup) == (schedule, schedule)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("daily", 'expected a duration such as "6h", or a cron expression such as "30 3 * * *"'),
        ("", 'expected a duration such as "6h", or a cron expression such as "30 3 * * *"'),
        ("1s", 'expected "1m" or more'),
        ("60 * * * *", 'no cron expression such as "30 3 * * *": Bad minute'),
        ("* * * *", "expected five fields: minute, hour, day of month, month, day of week"),
        ("* * * * * *", "expected five fields: minute, hour, day of month, month, day of week"),
        ("0 0 30 2 *", 'no cron expression such as "30 3 * * *": Bad day-of-month'),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str, expected: str, tmp_path: Path) -> None:
    mistakes = mistakes_in(written(tmp_path, f'[schedules]\nbackup = "{schedule}"\n'))
    assert mistakes == [f"2: schedules.backup: {expected}"]
