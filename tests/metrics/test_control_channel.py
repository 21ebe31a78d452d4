import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from metrics import control_channel
from metrics.control_channel import MAX_FRAME_BYTES, ChannelClosed

TIMEOUT_S = 10.0


class Ends:
    """Both ends of a channel whose one end is served; `closed` counts what `on_closed` heard."""

    def __init__(self) -> None:
        self.asker, self.answerer = socket.socketpair()
        self.asker.settimeout(TIMEOUT_S)
        self.closed = threading.Semaphore(0)
        answers = {
            "echo": lambda question: question["word"],
            "unknown": self._unknown,
            "bug": lambda question: 1 // 0,
            "time": lambda question: datetime(2010, 9, 27, tzinfo=UTC),
        }
        before = set(threading.enumerate())
        self.questions = 0
        control_channel.serve(self.answerer, answers, on_question=self._count_question, on_closed=self.closed.release)
        (self.thread,) = {t for t in threading.enumerate() if t.name == "control-channel"} - before

    def _count_question(self) -> None:
        self.questions += 1

    def _unknown(self, question: Mapping[str, Any]) -> Any:
        raise LookupError("there is no actor nobody")

    def ask(self, what: str, **facts: Any) -> dict[str, Any]:
        control_channel.send(self.asker, {"id": 1, "ask": what, **facts})
        return control_channel.receive(self.asker)

    def is_closed_once(self) -> bool:
        return self.closed.acquire(timeout=TIMEOUT_S) and not self.closed.acquire(blocking=False)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.asker.close()
    ends.answerer.close()


def test_a_question_is_answered_under_its_number(ends: Ends) -> None:
    for number in (1, 2**40):
        control_channel.send(ends.asker, {"id": number, "ask": "echo", "word": "grüß"})
        assert control_channel.receive(ends.asker) == {"id": number, "answer": "grüß"}


def test_questions_are_answered_in_their_order(ends: Ends) -> None:
    for number in range(100):
        control_channel.send(ends.asker, {"id": number, "ask": "echo", "word": number})
    assert [control_channel.receive(ends.asker)["answer"] for _ in range(100)] == list(range(100))


def test_a_large_answer_comes_whole(ends: Ends) -> None:
    word = "x" * 3_000_000
    asking = threading.Thread(
        target=control_channel.send, args=(ends.asker, {"id": 1, "ask": "echo", "word": word}), daemon=True
    )
    asking.start()
    assert control_channel.receive(ends.asker)["answer"] == word


def test_a_question_that_comes_in_pieces_is_one_question(ends: Ends) -> None:
    for byte in control_channel.frame({"id": 1, "ask": "echo", "word": "w"}):
        ends.asker.sendall(bytes([byte]))
    assert control_channel.receive(ends.asker)["answer"] == "w"


def test_times_are_written_as_text(ends: Ends) -> None:
    assert ends.ask("time")["answer"] == "2010-09-27 00:00:00+00:00"


@pytest.mark.parametrize("what", ["nonsense", "", None, 7, ["echo"]])
def test_a_question_that_nobody_answers_is_said_so(ends: Ends, what: Any) -> None:
    assert ends.ask(what) == {"id": 1, "error": f"nobody answers {what!r}"}
    assert ends.ask("echo", word="still here")["answer"] == "still here"


def test_every_question_is_heard_of_also_one_that_nobody_answers(ends: Ends) -> None:
    ends.ask("echo", word="w")
    ends.ask("nonsense")
    assert ends.questions == 2


def test_what_an_answer_does_not_find_is_an_error_for_the_asker(ends: Ends) -> None:
    assert ends.ask("unknown") == {"id": 1, "error": "there is no actor nobody"}
    assert ends.ask("echo", word="still here")["answer"] == "still here"


def test_the_end_of_the_other_side_is_heard_once(ends: Ends) -> None:
    ends.asker.close()
    assert ends.is_closed_once()


def test_the_end_in_the_middle_of_a_frame_is_an_end(ends: Ends) -> None:
    ends.asker.sendall(control_channel.frame({"id": 1, "ask": "echo", "word": "w"})[:-3])
    ends.asker.shutdown(socket.SHUT_WR)
    assert ends.is_closed_once()


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("!I", MAX_FRAME_BYTES + 1),
        struct.pack("!I", 3) + b"{ok",
        struct.pack("!I", 4) + b"\xff\xfe\xfd\xfc",
        struct.pack("!I", 4) + b"[42]",
        struct.pack("!I", 0),
    ],
    ids=["too large", "no JSON", "no text", "no object", "empty"],
)
def test_what_is_no_frame_ends_the_channel(ends: Ends, nonsense: bytes) -> None:
    ends.asker.sendall(nonsense)
    assert ends.is_closed_once()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_an_answer_ends_the_channel_instead_of_leaving_it_mute(ends: Ends) -> None:
    control_channel.send(ends.asker, {"id": 1, "ask": "bug"})
    ends.thread.join(TIMEOUT_S)
    assert ends.is_closed_once()


def test_sending_to_nobody_is_said_so(ends: Ends) -> None:
    ends.asker.close()
    assert ends.is_closed_once()
    ends.answerer.close()
    with pytest.raises(ChannelClosed):
        control_channel.send(ends.answerer, {"id": 1})


def test_a_frame_is_its_length_and_json() -> None:
    data = control_channel.frame({"a": 1})
    assert struct.unpack("!I", data[:4]) == (len(data) - 4,)
    assert json.loads(data[4:]) == {"a": 1}
