"""The supervision tree as data, made from the configuration: who is started, in which order, and with what.

    root
    |-- queue            claims jobs for the workers that are free
    |-- selectors        one Selector, which takes the best stored release
    |-- indexers         one Indexer for each [[indexers]]
    |-- downloaders      one Downloader for each [[download_clients]]
    |-- importers        one Importer for each [[roots]]
    |-- schedules        the Scheduler, and who does its tasks: the Housekeeper, and with [backup] daily the Archivist
    |-- monitors         one HealthMonitor: what a person should know; one EventCounter: metrics from the outbox
    `-- http             one ApiProcess, which keeps the HTTP process

A group that crashes too often is parked and the rest goes on; only queue and root end the process.
"""

import importlib.util
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.api_process import ApiProcess
from actors.base import Supervised
from actors.breaker import BreakerState
from actors.child import Child, Policy
from actors.downloader import Downloader, StallLimits
from actors.event_counter import EventCounter
from actors.exits import Abandoned, ExitReport, Hooks
from actors.health_monitor import HealthMonitor
from actors.importer import Importer, ImportRules
from actors.indexer import ClientTerms, Indexer
from actors.messages import Work, WorkCrashed, WorkReturned
from actors.queue import Lane, Queue
from actors.restarts import Backoff
from actors.selector import Selector
from config.schema import Builtin, Config, Root
from daemon.answers import answers
from daemon.clients import home_of, make_download_client, make_torznab, mappings_of
from daemon.runtime import DATABASE, MAX_ZOMBIES, Runtime
from daemon.scheduled import scheduled, scheduled_lanes
from storage.acquisition import ANY_CLIENT, SELECT_LANE, client_lane, indexer_lane, root_lane
from storage.file_access import FileHelper
from supervisor import Supervisor

INDEXER_DEADLINE_S = 75.0
DOWNLOADER_DEADLINE_S = 45.0
IMPORT_STEP_CALLS = 8
"""So many times at most does one step of an import ask its helper, which may be silent for progress_limit each time."""

ONE_BY_ONE = Policy()
INDEPENDENT = Policy(stops_together=True)
HTTP = Policy(intensity=10**9)
HTTP_MAX_WAIT_S = 5.0


def root_arguments(runtime: Runtime) -> dict[str, Any]:
    """What `start_root` needs: the top-level children in their order of starting."""
    children = [
        Child(
            name="queue",
            actor=Queue,
            arguments=_queue(runtime),
            deadline_s=60.0,
            breaker=runtime.breaker(DATABASE),
        ),
        _group(runtime, "selectors", [inside(runtime, "selector", Selector, _selector(runtime))]),
        _group(runtime, "indexers", _indexers(runtime)),
        _group(runtime, "downloaders", _downloaders(runtime)),
        _group(runtime, "importers", _importers(runtime)),
        _group(runtime, "schedules", scheduled(runtime, _worker(runtime))),
        _group(
            runtime,
            "monitors",
            [
                inside(runtime, "health_monitor", HealthMonitor, _health_monitor(runtime)),
                inside(
                    runtime, "event_counter", EventCounter, {"database": runtime.database, "metrics": runtime.metrics}
                ),
            ],
        ),
        _group(runtime, "http", [_http(runtime)], HTTP),
    ]
    arguments = _supervision(runtime, children)
    return arguments | {"hooks": replace(arguments["hooks"], zombie_limit=MAX_ZOMBIES)}


def inside(runtime: Runtime, name: str, actor: type[Supervised], arguments: Mapping[str, Any]) -> Child:
    """An actor that calls nothing outside."""
    return Child(name=name, actor=actor, arguments=arguments, deadline_s=runtime.config.daemon.hang_limit)


def _http(runtime: Runtime) -> Child:
    """Whatever happens to it, it is brought back soon: without it nobody sees anything or can mend it."""
    backoff = Backoff(max_s=HTTP_MAX_WAIT_S)
    return Child(name="api", actor=ApiProcess, arguments=_api(runtime), shutdown_s=4.0, backoff=backoff)


def _group(runtime: Runtime, name: str, children: Sequence[Child], policy: Policy | None = None) -> Child:
    return Child(
        name=name,
        actor=Supervisor,
        arguments=_supervision(runtime, children, policy or INDEPENDENT),
        shutdown_s=1.0 + max((child.shutdown_s for child in children), default=0.0),
        is_parked_on_escalation=True,
    )


def _supervision(runtime: Runtime, children: Sequence[Child], policy: Policy = ONE_BY_ONE) -> dict[str, Any]:
    return {
        "children": children,
        "addresses": {child.name: runtime.address(child.name) for child in children},
        "policy": policy,
        "hooks": Hooks(
            on_exit=lambda report: _work_lost(runtime, report),
            on_restart=lambda name: runtime.metrics.restarts.labels(actor=name).inc(),
            is_excused=lambda actor: _waits_for_database(runtime, actor),
            zombies=runtime.zombies,
        ),
    }


def _work_lost(runtime: Runtime, report: ExitReport) -> None:
    """A crash with a job in work spends one of its attempts, at once; a stop that it survived does not."""
    if not isinstance(report.message, Work) or report.reason is None:
        return
    claim = report.message.claim
    is_stop = isinstance(report.reason, Abandoned)
    error = f"{type(report.reason).__name__}: {report.reason}"
    lost = WorkReturned(claim=claim) if is_stop else WorkCrashed(claim=claim, error=error)
    runtime.address("queue").tell(lost, urgent=True)


def _waits_for_database(runtime: Runtime, actor: Supervised) -> bool:
    """Such a call has a deadline of its own; while the database is down nobody hangs for waiting on it."""
    is_down = runtime.breaker(DATABASE).state is not BreakerState.CLOSED
    return is_down and runtime.database.is_called_by(actor.thread_id)


def lanes(runtime: Runtime) -> dict[str, Lane]:
    """The lanes whose jobs this configuration can do."""
    config = runtime.config
    names = [indexer_lane(indexer.name) for indexer in config.indexers]
    names += [client_lane(client.name) for client in config.download_clients]
    names += [root_lane(str(root.path)) for root in config.roots]
    outside = {name: Lane(runtime.address(name), runtime.breaker(name)) for name in names}
    for client in config.download_clients:
        outside[client_lane(client.name)].conditions = (ANY_CLIENT,)
    return {SELECT_LANE: Lane(runtime.address("selector")), **scheduled_lanes(runtime), **outside}


def homes(runtime: Runtime) -> dict[str, str]:
    """By download client, whose it is: this node's alone, or shared by all at its address."""
    return {client.name: home_of(client, node=runtime.node) for client in runtime.config.download_clients}


def _queue(runtime: Runtime) -> dict[str, Any]:
    return {
        "database": runtime.database,
        "breaker": runtime.breaker(DATABASE),
        "lanes": lanes(runtime),
        "node": runtime.node,
        "metrics": runtime.metrics,
        "policy": runtime.config.retry.policy,
        "on_ready": runtime.on_ready,
        "has_begun": runtime.has_begun,
        "limits": runtime.config.queue.limits,
        "lease_s": runtime.config.queue.lease,
        "is_database_starting": runtime.is_database_starting,
        "chance": random.random,
    }


def _worker(runtime: Runtime) -> dict[str, Any]:
    return {
        "database": runtime.database,
        "queue": runtime.address("queue"),
        "metrics": runtime.metrics,
        "policy": runtime.config.retry.policy,
        "node": runtime.node,
    }


def _selector(runtime: Runtime) -> dict[str, Any]:
    return _worker(runtime) | {"judge": runtime.judge}


def _indexers(runtime: Runtime) -> list[Child]:
    config = runtime.config
    clients = [
        ClientTerms(
            name=client.name,
            home=home_of(client, node=runtime.node),
            priority=client.priority,
            breaker=runtime.breaker(client_lane(client.name)),
            accepts_private=not isinstance(client, Builtin) or client.allow_private,
            seed_ratio=client.seed_until.ratio,
            seed_time_s=client.seed_until.time_s,
        )
        for client in config.download_clients
    ]
    return [
        Child(
            name=indexer_lane(indexer.name),
            actor=Indexer,
            deadline_s=INDEXER_DEADLINE_S,
            breaker=runtime.breaker(indexer_lane(indexer.name)),
            arguments=_worker(runtime)
            | {
                "torznab": make_torznab(indexer, runtime.metrics),
                "breaker": runtime.breaker(indexer_lane(indexer.name)),
                "health": runtime.health,
                "judge": runtime.judge,
                "clients": clients,
                "rss_interval_s": indexer.rss_interval,
                "seed_ratio": indexer.seed_until.ratio,
                "seed_time_s": indexer.seed_until.time_s,
                "progress_writer": runtime.progress,
                "lease_s": config.queue.duty_lease_s,
            },
        )
        for indexer in config.indexers
    ]


def _downloaders(runtime: Runtime) -> list[Child]:
    config = runtime.config
    limits = StallLimits(no_progress_s=config.stall.no_progress, metadata_s=config.stall.metadata)
    runtime.metrics.watch_clients(client.name for client in config.download_clients)
    return [
        Child(
            name=client_lane(client.name),
            actor=Downloader,
            deadline_s=DOWNLOADER_DEADLINE_S,
            breaker=runtime.breaker(client_lane(client.name)),
            arguments=_worker(runtime)
            | {
                "client": make_download_client(client, folder=runtime.folder, spawn=runtime.spawner.spawn),
                "home": home_of(client, node=runtime.node),
                "breaker": runtime.breaker(client_lane(client.name)),
                "health": runtime.health,
                "stall": limits,
                "remove": client.remove,
                "poll_interval_s": client.poll_interval,
                "progress_writer": runtime.progress,
                "lease_s": config.queue.duty_lease_s,
            },
        )
        for client in config.download_clients
    ]


def _importers(runtime: Runtime) -> list[Child]:
    return [_importer(runtime, root) for root in runtime.config.roots]


def _importer(runtime: Runtime, root: Root) -> Child:
    config, lane = runtime.config, root_lane(str(root.path))
    helper = FileHelper(
        spawn=runtime.spawner.spawn,
        name=f"files of {root.path}",
        progress_deadline_s=config.import_.progress_limit,
    )
    runtime.metrics.file_helpers_hanging.labels(root=str(root.path)).set_function(helper.count_abandoned)
    return Child(
        name=lane,
        actor=Importer,
        deadline_s=IMPORT_STEP_CALLS * config.import_.progress_limit + 30.0,  # of each step, and of a copy's silence
        breaker=runtime.breaker(lane),
        arguments=_worker(runtime)
        | {
            "root": root.path,
            "rules": ImportRules(
                transfer=config.import_.transfer,
                recycle_bin=config.import_.recycle_bin,
                folder_pattern=config.naming.folder,
                file_pattern=config.naming.file,
                min_free_bytes=root.min_free,
                mappings={
                    home_of(client, node=runtime.node): mappings_of(client) for client in config.download_clients
                },
            ),
            "judge": runtime.judge,
            "helper": helper,
            "breaker": runtime.breaker(lane),
            "health": runtime.health,
            "progress_writer": runtime.progress,
        },
    )


def _health_monitor(runtime: Runtime) -> dict[str, Any]:
    return {
        "database": runtime.database,
        "node": runtime.node,
        "health": runtime.health,
        "breakers": list(runtime.breakers.values()),
        "standing": standing_facts(runtime.config),
        "has_begun": runtime.has_begun,
    }


def standing_facts(config: Config) -> list[tuple[str, str]]:
    """What a person should know of this configuration: (source, text)."""
    facts = []
    if not config.indexers:
        facts.append(("indexers", "no indexer is configured: nothing can be found"))
    if not config.download_clients:
        facts.append(("download_clients", "no download client is configured: nothing can be downloaded"))
    for client in config.download_clients:
        if isinstance(client, Builtin) and importlib.util.find_spec("libtorrent") is None:
            text = f"{client.name} is unavailable: there is no libtorrent for this Python, configure another client"
            facts.append((f"libtorrent:{client.name}", text))
        if isinstance(client, Builtin) and client.bind in ("lo", "127.0.0.1", "::1"):
            text = f"{client.name} is bound to {client.bind}: peers outside this machine cannot be reached"
            facts.append((f"bind:{client.name}", text))
    return facts


def _api(runtime: Runtime) -> dict[str, Any]:
    return {"spawn": runtime.spawn_holding_folder, "answers": answers(runtime), **runtime.api}
