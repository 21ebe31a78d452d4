"""Many senders at an actor that crashes and hangs all the time: every message and every question ends once."""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from actors.address import Address, AskTimeout, Mailbox
from actors.base import Supervised
from actors.child import Child, Policy
from actors.dead_letters import DeadLetters, Lost
from actors.exits import Hooks, Hung
from actors.restarts import Backoff
from supervisor import Supervisor, start_root, stop_root
from tests.until import until

PRODUCERS, MESSAGES, CRASHES = 4, 100_000, 1_000
ASKERS, QUESTIONS = 8, 400 if os.environ.get("UNDERSTUDY_TESTS") == "all" else 60  # of each asker
DEADLINE_S, PATIENCE_S = 0.25, 120.0


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """The `number`th message of a producer."""

    producer: int
    number: int

    @property
    def is_poison(self) -> bool:
        return self.number % (MESSAGES // CRASHES) == 0


class Worker(Supervised):
    """Notes what it handles where its successor goes on; poison crashes it."""

    def __init__(self, address: Address, *, handled: list[Numbered]) -> None:
        super().__init__(address)
        self._handled = handled

    def handle(self, message: Numbered) -> None:
        if message.is_poison:
            raise ValueError("poison")
        self._handled.append(message)


def start(child: Child, address: Address) -> Supervisor:
    policy = Policy(intensity=10**9, check_every_s=0.02)
    arguments: dict[str, Any] = {"children": [child], "addresses": {child.name: address}, "policy": policy}
    return start_root(Supervisor, arguments | {"hooks": Hooks(zombie_limit=None)})


def test_under_fire_only_messages_in_work_are_lost_none_is_doubled_and_each_producer_keeps_its_order_p34() -> None:
    handled: list[Numbered] = []
    heard = Counter[type]()
    dead_letters = DeadLetters(kept=None)
    address = Address(
        "worker", dead_letters=dead_letters, on_handled=lambda message, duration_s: heard.update([type(message)])
    )
    child = Child(
        name="worker",
        actor=Worker,
        arguments={"handled": handled},
        mailbox=Mailbox(capacity=500),
        backoff=Backoff(min_s=0.0),
    )
    root = start(child, address)

    def produce(producer: int) -> None:
        for number in range(1, MESSAGES // PRODUCERS + 1):
            address.tell(Numbered(producer=producer, number=number), timeout_s=PATIENCE_S)

    producers = [threading.Thread(target=produce, args=(producer,)) for producer in range(PRODUCERS)]
    for thread in producers:
        thread.start()
    for thread in producers:
        thread.join()
    until(lambda: len(handled) + dead_letters.count >= MESSAGES, timeout_s=PATIENCE_S)
    until(lambda: heard[Numbered] >= len(handled))
    assert stop_root(root, timeout_s=PATIENCE_S)

    lost = [letter.message for letter in dead_letters.recent()]
    assert len(handled) + len(lost) == MESSAGES
    assert heard[Numbered] == len(handled)
    assert len({*handled, *lost}) == MESSAGES
    assert len(lost) == CRASHES
    assert all(isinstance(message, Numbered) and message.is_poison for message in lost)
    assert {letter.reason for letter in dead_letters.recent()} == {Lost.CRASHED}
    for producer in range(PRODUCERS):
        numbers = [message.number for message in handled if message.producer == producer]
        assert numbers == sorted(numbers)


@dataclass(frozen=True, kw_only=True)
class Question:
    number: int


class Moody(Supervised):
    """Answers most questions, crashes at some, and hangs at others until `is_over`."""

    def __init__(self, address: Address, *, is_over: threading.Event, answered: list[int]) -> None:
        super().__init__(address)
        self._is_over, self._answered = is_over, answered

    def handle(self, message: Question) -> int:
        if message.number % 10 == 3:
            raise ValueError(message.number)
        if message.number % 50 == 7:
            self._is_over.wait(PATIENCE_S)
        self._answered.append(message.number)
        return message.number


class Outcomes:
    """How the questions of all askers ended, and the longest of them."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.by_question: dict[int, str] = {}
        self.longest_s = 0.0

    def ask_all(self, asker: int) -> None:
        for number in range(asker, ASKERS * QUESTIONS, ASKERS):
            begun_at = time.monotonic()
            outcome = self._ask(number)
            self.longest_s = max(self.longest_s, time.monotonic() - begun_at)
            assert number not in self.by_question
            self.by_question[number] = outcome

    def _ask(self, number: int) -> str:
        try:
            answer = self._address.ask(Question(number=number), timeout_s=DEADLINE_S)
        except ValueError as error:
            return "crashed" if error.args == (number,) else f"another's error: {error}"
        except Hung:
            return "hung"
        except AskTimeout:
            return "no answer"
        return "answered" if answer == number else f"another's answer: {answer}"


@pytest.mark.parametrize("deadline_s", [0.05, None])
def test_every_question_to_an_actor_that_crashes_and_hangs_ends_once_by_its_deadline_p39(
    deadline_s: float | None,
) -> None:
    is_over, answered = threading.Event(), list[int]()
    address = Address("moody", dead_letters=DeadLetters(kept=None))
    child = Child(
        name="moody",
        actor=Moody,
        arguments={"is_over": is_over, "answered": answered},
        deadline_s=deadline_s,
        backoff=Backoff(min_s=0.0),
    )
    root = start(child, address)
    outcomes = Outcomes(address)
    if deadline_s is None:
        is_over.set()
    askers = [threading.Thread(target=outcomes.ask_all, args=(asker,)) for asker in range(ASKERS)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a question has no end"
    counts = Counter(outcomes.by_question.values())
    is_over.set()
    assert stop_root(root, timeout_s=PATIENCE_S)

    assert len(outcomes.by_question) == ASKERS * QUESTIONS
    assert counts.keys() <= {"answered", "crashed", "hung", "no answer"}
    assert counts["answered"] > 0
    assert counts["crashed"] > 0
    assert (counts["hung"] > 0) is (deadline_s is not None)
    assert outcomes.longest_s < DEADLINE_S + 5.0, "a deadline, and a busy machine"
    assert len(answered) == len(set(answered)), "none is handled twice"
