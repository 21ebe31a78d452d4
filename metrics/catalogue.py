"""Every metric of the daemon, on an injected registry, with its label values of closed sets at 0 from the start."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

JOB_KINDS = ("search", "rss", "select", "fetch", "add", "remove", "import")
JOB_STATES = ("ready", "running", "done", "dead")
JOB_OUTCOMES = ("done", "retried", "dead", "put_off", "returned", "fenced")
BREAKER_STATES = ("closed", "half_open", "open")
TRANSFER_METHODS = ("hardlink", "reflink", "copy")
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600)


class Catalogue:
    """The metrics as attributes. `watch_*` sets the label values that only the configuration knows to 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.build = Gauge("understudy_build_info", "The running version.", ["version"], registry=registry)
        self.started = Gauge("understudy_start_time_seconds", "When the daemon started.", registry=registry)
        self.jobs = Gauge("understudy_jobs", "Jobs in the queue.", ["state"], registry=registry)
        self.jobs_ended = Counter(
            "understudy_jobs_ended_total", "Jobs by how their attempt ended.", ["kind", "outcome"], registry=registry
        )
        self.job_seconds = Histogram(
            "understudy_job_duration_seconds", "Time in work.", ["kind"], buckets=SECONDS, registry=registry
        )
        self.restarts = Counter("understudy_actor_restarts_total", "Restarted actors.", ["actor"], registry=registry)
        self.parked = Gauge("understudy_actor_groups_parked", "Groups that crashed too often.", registry=registry)
        self.zombies = Gauge("understudy_actor_zombies", "Fenced actors whose threads still hang.", registry=registry)
        self.breaker_state = Gauge(
            "understudy_breaker_state",
            "0 closed, 1 half open, 2 open.",
            ["dependency"],
            registry=registry,
        )
        self.breaker_transitions = Counter(
            "understudy_breaker_transitions_total", "Changes of state.", ["dependency", "to"], registry=registry
        )
        self.requests = Counter(
            "understudy_indexer_requests_total", "Requests by outcome.", ["indexer", "outcome"], registry=registry
        )
        self.refused_answers = Counter(
            "understudy_indexer_answers_refused_total",
            "Answers that could not be used.",
            ["indexer", "reason"],
            registry=registry,
        )
        self.verdicts = Counter("understudy_releases_decided_total", "Releases judged.", ["verdict"], registry=registry)
        self.rejections = Counter(
            "understudy_release_rejections_total", "Why releases were not taken.", ["reason"], registry=registry
        )
        self.downloads_failed = Counter(
            "understudy_downloads_failed_total", "Downloads that failed.", ["client"], registry=registry
        )
        self.imports = Counter("understudy_imports_total", "Imported films.", ["method"], registry=registry)
        self.free_bytes = Gauge("understudy_root_free_bytes", "Free space as last seen.", ["root"], registry=registry)
        self.database_seconds = Histogram(
            "understudy_database_transaction_seconds", "Transactions.", buckets=SECONDS, registry=registry
        )
        self.database_errors = Counter(
            "understudy_database_outages_total", "Transactions lost to an outage.", registry=registry
        )
        self._to_zero()

    def watch_actors(self, names: Iterable[str]) -> None:
        for name in names:
            self.restarts.labels(actor=name)

    def watch_breakers(self, dependencies: Iterable[str]) -> None:
        for dependency in dependencies:
            self.breaker_state.labels(dependency=dependency)
            for state in BREAKER_STATES:
                self.breaker_transitions.labels(dependency=dependency, to=state)

    def watch_indexers(self, names: Iterable[str], *, outcomes: Sequence[str], refusals: Sequence[str]) -> None:
        for name in names:
            for outcome in outcomes:
                self.requests.labels(indexer=name, outcome=outcome)
            for reason in refusals:
                self.refused_answers.labels(indexer=name, reason=reason)

    def watch_reasons(self, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self.rejections.labels(reason=reason)

    def watch_clients(self, names: Iterable[str]) -> None:
        for name in names:
            self.downloads_failed.labels(client=name)

    def _to_zero(self) -> None:
        for state in JOB_STATES:
            self.jobs.labels(state=state)
        for kind in JOB_KINDS:
            self.job_seconds.labels(kind=kind)
            for outcome in JOB_OUTCOMES:
                self.jobs_ended.labels(kind=kind, outcome=outcome)
        for verdict in ("accepted", "rejected"):
            self.verdicts.labels(verdict=verdict)
        for method in TRANSFER_METHODS:
            self.imports.labels(method=method)
