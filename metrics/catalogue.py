"""Every metric of the daemon, on an injected registry, with its label values of closed sets at 0 from the start."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

JOB_KINDS = ("search", "rss", "select", "fetch", "add", "remove", "import", "housekeeping", "backup")
JOB_STATES = ("ready", "running", "done", "dead")
JOB_OUTCOMES = ("done", "retried", "dead", "put_off", "returned", "fenced")
BREAKER_STATES = ("closed", "half_open", "open", "forced_open", "disabled", "metrics_only")
BREAKER_OUTCOMES = ("success", "error", "not_permitted")
DEAD_LETTER_REASONS = ("crashed", "hung", "abandoned", "overflow", "stopped", "gone")
OTHER = "other"
"""Where a label's value is none of its closed set."""
PRUNED_TABLES = ("jobs", "job_errors", "events", "releases", "decisions", "downloads", "progress", "ticks")
TRANSFER_METHODS = ("hardlink", "reflink", "copy")
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600)


class Catalogue:
    """The metrics as attributes. `watch_*` sets the label values that only the configuration knows to 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.build = self._gauge("build_info", "The running version.", "version")
        self.started = self._gauge("start_time_seconds", "When the daemon started.")
        self._make_job_metrics()
        self._make_supervision_metrics()
        self._make_release_metrics()
        self._make_storage_metrics()
        self._to_zero()

    def _make_job_metrics(self) -> None:
        self.jobs = self._gauge("jobs", "Jobs in the queue.", "state")
        self.jobs_ended = self._counter("jobs_ended_total", "Jobs by how their attempt ended.", "kind", "outcome")
        self.job_seconds = self._histogram("job_duration_seconds", "Time in work.", "kind")
        self.dead_jobs = self._gauge("dead_letters", "Jobs that failed for good and wait.", "kind", "reason")
        self._dead_jobs: set[tuple[str, str]] = set()

    def _make_supervision_metrics(self) -> None:
        self.restarts = self._counter("actor_restarts_total", "Restarted actors.", "actor")
        self.parked = self._gauge("actor_groups_parked", "Groups that crashed too often.")
        self.inbox_depth = self._gauge("actor_inbox_depth", "Messages waiting.", "actor")
        self.handling_seconds = self._histogram("actor_handling_seconds", "Time that one message took.", "actor")
        self.dead_letters = self._counter("actor_dead_letters_total", "Messages that nobody handled.", "reason")
        self.zombies = self._gauge("actor_zombies", "Fenced actors whose threads still hang.")
        states = "0 closed, 1 half open, 2 open, 3 forced open, 4 disabled, 5 metrics only."
        self.breaker_state = self._gauge("breaker_state", states, "dependency")
        self.breaker_transitions = self._counter("breaker_transitions_total", "Changes of state.", "dependency", "to")
        self.breaker_calls = self._counter(
            "breaker_calls_total", "Calls by their outcome, also those not permitted.", "dependency", "outcome"
        )

    def _make_release_metrics(self) -> None:
        self.requests = self._counter("indexer_requests_total", "Requests by outcome.", "indexer", "outcome")
        self.refused_answers = self._counter(
            "indexer_answers_refused_total", "Answers that could not be used.", "indexer", "reason"
        )
        self.verdicts = self._counter("releases_decided_total", "Releases judged.", "verdict")
        self.format_timeouts = self._counter("format_timeouts_total", "Patterns that took too long with a name.")
        self.rejections = self._counter("release_rejections_total", "Why releases were not taken.", "reason")
        self.grabs = self._counter("grabs_total", "Releases grabbed.", "client")
        self.downloads_failed = self._counter("downloads_failed_total", "Downloads that failed.", "client")
        self.imports = self._counter("imports_total", "Imported films.", "method")
        self.acquisitions_failed = self._counter(
            "acquisitions_failed_total", "Attempts at a movie that came to nothing.", "outcome"
        )

    def _make_storage_metrics(self) -> None:
        self.free_bytes = self._gauge("root_free_bytes", "Free space as last seen.", "root")
        self.file_helpers_hanging = self._gauge(
            "file_helpers_hanging",
            "File-system helpers that were given up because their mount does not answer.",
            "root",
        )
        self.database_seconds = self._histogram("database_transaction_seconds", "Transactions.")
        self.backup_age = self._gauge("backup_age_seconds", "Since the last backup was made; NaN: never, or not known.")
        self.backup_age.set(math.nan)
        self.backup_failing = self._gauge("backup_failing", "1 while the last attempt at a backup has failed.")
        self.pruned_rows = self._counter("pruned_rows_total", "Rows that were old enough to go.", "table")
        self.database_errors = self._counter("database_outages_total", "Transactions lost to an outage.")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"understudy_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"understudy_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"understudy_{name}", text, labels, buckets=SECONDS, registry=self.registry)

    def watch_actor(self, name: str, *, inbox_depth: Callable[[], int]) -> None:
        self.restarts.labels(actor=name)
        self.handling_seconds.labels(actor=name)
        self.inbox_depth.labels(actor=name).set_function(inbox_depth)

    def watch_breakers(self, dependencies: Iterable[str]) -> None:
        for dependency in dependencies:
            self.breaker_state.labels(dependency=dependency)
            for state in BREAKER_STATES:
                self.breaker_transitions.labels(dependency=dependency, to=state)
            for outcome in BREAKER_OUTCOMES:
                self.breaker_calls.labels(dependency=dependency, outcome=outcome)

    def watch_indexers(self, names: Iterable[str], *, outcomes: Sequence[str], refusals: Sequence[str]) -> None:
        for name in names:
            for outcome in outcomes:
                self.requests.labels(indexer=name, outcome=outcome)
            for reason in refusals:
                self.refused_answers.labels(indexer=name, reason=reason)

    def watch_reasons(self, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self.rejections.labels(reason=reason)

    def watch_failures(self, reasons: Iterable[str]) -> None:
        """The reasons that jobs fail for; any other is counted as "other"."""
        self._dead_jobs = {(kind, reason) for kind in (*JOB_KINDS, OTHER) for reason in (*reasons, OTHER)}
        self.count_dead_letters({})

    def count_dead_letters(self, numbers: Mapping[tuple[str, str], int]) -> None:
        """`numbers` by kind and reason: all that there are."""
        counted = dict.fromkeys(self._dead_jobs, 0)
        reasons = {reason for _, reason in counted}
        for (kind, reason), number in numbers.items():
            known = (kind if kind in JOB_KINDS else OTHER, reason if reason in reasons else OTHER)
            counted[known] = counted.get(known, 0) + number
        for (kind, reason), number in counted.items():
            self.dead_jobs.labels(kind=kind, reason=reason).set(number)

    def last_free_bytes(self, root: str) -> int | None:
        """What was last seen free in a root; None: this process has not looked."""
        samples = [sample for metric in self.free_bytes.collect() for sample in metric.samples]
        return next((int(sample.value) for sample in samples if sample.labels["root"] == root), None)

    def watch_clients(self, names: Iterable[str]) -> None:
        for name in names:
            self.grabs.labels(client=name)
            self.downloads_failed.labels(client=name)

    def _to_zero(self) -> None:
        for state in JOB_STATES:
            self.jobs.labels(state=state)
        for kind in JOB_KINDS:
            self.job_seconds.labels(kind=kind)
            for outcome in JOB_OUTCOMES:
                self.jobs_ended.labels(kind=kind, outcome=outcome)
        for reason in DEAD_LETTER_REASONS:
            self.dead_letters.labels(reason=reason)
        for table in PRUNED_TABLES:
            self.pruned_rows.labels(table=table)
        for verdict in ("accepted", "pending", "rejected"):
            self.verdicts.labels(verdict=verdict)
        for method in TRANSFER_METHODS:
            self.imports.labels(method=method)
        for outcome in ("retried", "dead"):
            self.acquisitions_failed.labels(outcome=outcome)
