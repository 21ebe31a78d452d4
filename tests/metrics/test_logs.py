import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import pytest
import structlog

from metrics import logs


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("pykka", "psycopg.pool")}
    yield
    structlog.configure(**before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logs.CORRELATION.set("")


def configure(stream: io.StringIO, *, level: str = "info", style: Literal["console", "json"] = "json") -> Any:
    logs.configure(level=level, style=style, stream=stream)
    return logs.logger("queue")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raise_and_log(log: Any) -> None:
    try:
        raise ValueError("a bug\nin two lines")
    except ValueError:
        log.exception("it failed")


def test_a_line_is_an_event_with_its_actor_level_time_and_facts(stream: io.StringIO) -> None:
    configure(stream).warning("a job failed", job_id=7, reason="parse error")
    (line,) = lines(stream)
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert line == {
        "event": "a job failed",
        "actor": "queue",
        "level": "warning",
        "job_id": 7,
        "reason": "parse error",
    }


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", ["d", "i", "w", "e"]), ("INFO", ["i", "w", "e"]), ("Warning", ["w", "e"]), ("error", ["e"])],
)
def test_lines_below_the_level_are_left_out(stream: io.StringIO, level: str, events: list[str]) -> None:
    log = configure(stream, level=level)
    log.debug("d"), log.info("i"), log.warning("w"), log.error("e")
    assert [line["event"] for line in lines(stream)] == events


def test_lines_carry_the_correlation_of_the_work_in_hand_in_this_thread(stream: io.StringIO) -> None:
    log = configure(stream)
    logs.CORRELATION.set("c1")
    log.info("within")
    other = threading.Thread(target=log.info, args=("elsewhere",))
    other.start()
    other.join()
    logs.CORRELATION.set("c2")
    log.info("next")
    logs.CORRELATION.set("")
    log.info("after")
    assert [line.get("correlation_id") for line in lines(stream)] == ["c1", None, "c2", None]


def test_an_exception_stays_in_its_json_line(stream: io.StringIO) -> None:
    raise_and_log(configure(stream))
    (line,) = lines(stream)
    assert "ValueError: a bug\nin two lines" in line["exception"]


def test_people_get_text_without_colours_where_no_terminal_is(stream: io.StringIO) -> None:
    log = configure(stream, style="console")
    log.info("started", node="here")
    raise_and_log(log)
    text = stream.getvalue()
    assert "started" in text
    assert "node=here" in text
    assert "Traceback (most recent call last)" in text
    assert "\x1b[" not in text


def test_facts_that_json_does_not_know_are_written_all_the_same(stream: io.StringIO) -> None:
    configure(stream).info("odd", path=io, title="Ça «ira»\x00\n")
    (line,) = lines(stream)
    assert line["title"] == "Ça «ira»\x00\n"


def test_crashes_and_outages_are_not_told_twice(stream: io.StringIO) -> None:
    configure(stream)
    assert not logging.getLogger("pykka").isEnabledFor(logging.ERROR)
    assert not logging.getLogger("psycopg.pool").isEnabledFor(logging.WARNING)


def test_a_level_that_does_not_exist_is_an_error(stream: io.StringIO) -> None:
    with pytest.raises(KeyError):
        configure(stream, level="loud")


def test_a_line_that_belongs_to_nothing_has_no_correlation(stream: io.StringIO) -> None:
    log = configure(stream)
    log.info("nothing", correlation_id="")
    log.info("its own", correlation_id="c3")
    assert [line.get("correlation_id", "none") for line in lines(stream)] == ["none", "c3"]
