"""The parser beside guessit, parsett (PTT) and parse-torrent-title (PTN): accuracy for each field, and names a second.

    .venv/bin/python -P benchmarks/parser.py [CORPUS.jsonl] [--rounds N] [--no-rivals]

With a corpus, its own `score.py`, which must lie beside it, compares the answers; without one the project's cases are
asked. Names made from known parts are asked and timed besides. Each parser runs in a process of its own, the rivals in
virtual environments made from benchmarks/rivals/*.txt on first use; the rounds are interleaved, no name is asked twice
in a process.
"""

import argparse
import importlib.util
import json
import re
import statistics
import subprocess
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.parser_names import DEFAULTS, Facts, hostile_names, made_names, own_cases
from benchmarks.rival import RIVALS, python_of

HERE = Path(__file__).resolve().parent
OURS = "understudy"
# The share of the names a round gives to each: enough for a few seconds.
SHARES = {OURS: 1.0, "guessit": 0.05, "parsett": 0.3, "parse-torrent-title": 0.2}
MADE = 10_000
LIMIT_S = 900


def run(system: str, **task: Any) -> dict[str, Any]:
    """What the parser's process says of a task; see rivals/parse_names.py."""
    python = sys.executable if system == OURS else python_of(system)
    argv = [python, "-P", str(RIVALS / "parse_names.py"), system]
    done = subprocess.run(argv, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    return dict(json.loads(done.stdout))


def answers(system: str, names: Sequence[str]) -> list[Facts | None]:
    return list(run(system, asked=[[name, "release"] for name in names])["answers"])


def folded(text: object) -> str:
    """Letters and digits only."""
    plain = unicodedata.normalize("NFKD", str(text or "")).casefold().replace("&", " and ")
    return re.sub(r"[\W_]", "", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def is_right(field: str, expected: Any, said: Facts) -> bool:
    got = said.get(field, DEFAULTS.get(field))
    if field in ("title", "edition", "release_group"):
        return folded(expected) == folded(got)
    if field == "languages":
        return set(expected) == set(got or ())
    if field == "hardcoded_subs":
        return bool(expected) == bool(got)
    return bool(expected == (got if got is not None else DEFAULTS.get(field)))


def accuracy(cases: Sequence[tuple[str, Facts]], said: Sequence[Facts | None]) -> dict[str, float]:
    """Percent right by field; `record`: with every field right."""
    right: dict[str, list[bool]] = defaultdict(list)
    for (_, facts), answer in zip(cases, said, strict=True):
        if "reason" in facts:
            right["refused"].append(answer is None)
            right["record"].append(answer is None)
            continue
        asked = [field for field in ("title", *DEFAULTS) if field in facts]
        verdicts = {field: answer is not None and is_right(field, facts[field], answer) for field in asked}
        for field, verdict in verdicts.items():
            right[field].append(verdict)
        right["record"].append(all(verdicts.values()))
    return {field: 100 * sum(verdicts) / len(verdicts) for field, verdicts in right.items()}


def corpus_accuracy(corpus: Path, systems: Sequence[str]) -> dict[str, dict[str, float]]:
    """The same by the scorer that lies beside the corpus."""
    spec = importlib.util.spec_from_file_location("score", corpus.parent / "score.py")
    assert spec is not None
    assert spec.loader is not None
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    records = score.load(corpus)
    asked = [(r["input"], r["call"]) for r in records if r["kind"] in ("release", "path")]
    found = {}
    for system in systems:
        said = dict(zip(asked, run(system, asked=asked)["answers"], strict=True))
        result = score.evaluate(records, lambda name, call, said=said: said[name, call])
        found[system] = {field: result.percent(field) for field in score.ORDER if result.percent(field) is not None}
    return found


def show(title: str, found: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title}\n\n| | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for field in dict.fromkeys(field for fields in found.values() for field in fields):
        cells = (f"{fields[field]:.1f} %" if field in fields else "" for fields in found.values())
        print(f"| {field} | {' | '.join(cells)} |")


def show_speed(systems: Sequence[str], made: Sequence[tuple[str, Facts]], *, rounds: int) -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for system in systems:
            count = int(len(made) * SHARES[system])
            first = number * count % (len(made) - count + 1)
            rates[system].append(run(system, timed=[name for name, _ in made[first : first + count]])["rate"])
    print(f"\nnames a second of processor time, {rounds} rounds\n")
    for system in systems:
        low, middle, high = min(rates[system]), statistics.median(rates[system]), max(rates[system])
        ratio = statistics.median(ours / other for ours, other in zip(rates[OURS], rates[system], strict=True))
        worst = run(system, hostile=hostile_names())
        print(f"{system}: {middle:,.0f} ({low:,.0f} to {high:,.0f}); ours is {ratio:.1f} times that")
        print(f"    worst name: {worst['worst_ms']:,.2f} ms, {worst['worst_name'][:40]!r} ...")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpus", type=Path, nargs="?")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--no-rivals", action="store_true")
    given = arguments.parse_args()
    systems = [OURS] if given.no_rivals else list(SHARES)
    made = made_names(MADE)
    if given.corpus is not None:
        show(f"{given.corpus.name}, percent right", corpus_accuracy(given.corpus, systems))
    else:
        cases = own_cases()
        asked = [name for name, _ in cases]
        show("the project's own cases", {system: accuracy(cases, answers(system, asked)) for system in systems})
    sample = {system: made[: int(MADE * SHARES[system])] for system in systems}
    made_found = {s: accuracy(cases, answers(s, [name for name, _ in cases])) for s, cases in sample.items()}
    show("names made from known parts", made_found)
    show_speed(systems, made, rounds=given.rounds)


if __name__ == "__main__":
    main()
