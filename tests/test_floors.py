"""The floors of the house: who may import whom, how large a file may be, and where data files are found."""

import ast
import subprocess
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PARTS = frozenset({"movies", "clients", "storage", "config", "metrics"})
ACTORS_SIDE = PARTS | {"actors", "api"}
FLOORS: Mapping[str, frozenset[str]] = {
    "movies": frozenset(),
    "metrics": frozenset(),
    "config": frozenset({"movies"}),
    "clients": frozenset({"movies"}),
    "storage": frozenset({"movies"}),
    "actors": PARTS,
    "api": PARTS - {"clients"},
    "supervisor": ACTORS_SIDE,
    "daemon": ACTORS_SIDE | {"supervisor"},
    "demo": PARTS | {"api"},
    "commands": ACTORS_SIDE | {"daemon"},
    "cli": ACTORS_SIDE | {"supervisor", "daemon", "demo", "commands"},
}
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
KNOW_THEIR_PLACE = {"daemon/spawner.py", "storage/file_access.py", "storage/file_helper.py"}
"""These pass the path of a program to a process that they start."""


def source_files() -> list[Path]:
    return sorted(
        path
        for floor in FLOORS
        for path in [*REPOSITORY.glob(f"{floor}/**/*.py"), REPOSITORY / f"{floor}.py"]
        if path.exists()
    )


def repository_files() -> list[Path]:
    """What is or may be committed, relative to the repository."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("only a git checkout tells its own files from others")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in names.split("\0") if name]
    return [path for path in paths if (REPOSITORY / path).is_file()]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in source_files()}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module name that an import anywhere in `tree` may mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name whole modules"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_floors(text: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(ast.parse(text))} & FLOORS.keys()


def imported_modules(path: Path) -> set[str]:
    return {name for name in imports(ast.parse(path.read_text())) if name in MODULES}


def test_every_module_of_the_program_stands_on_a_floor() -> None:
    tops = {path.parts[0].removesuffix(".py") for path in repository_files() if path.suffix == ".py"}
    assert tops - {"tests", "benchmarks", "bin", ".ci"} == FLOORS.keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_floor_may(name: str) -> None:
    floor = name.partition(".")[0]
    assert imported_floors(MODULES[name].read_text()) - {floor} <= FLOORS[floor]


def test_an_upward_import_is_seen_wherever_it_hides() -> None:
    hidden = "def f():\n    if True:\n        from actors import queue\n        import api.server as s, movies.release"
    assert imported_floors(hidden) == {"actors", "api", "movies"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported_modules(path) - {name} for name, path in MODULES.items()}
    assert sum(map(len, graph.values())) > len(graph), "the walk sees imports"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_small(name: str) -> None:
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_in_its_first_line_what_it_is(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(MODULES[name].read_text()))
    assert docstring, "a module has a docstring"
    assert docstring.splitlines()[0].rstrip()


def test_every_data_file_is_found_as_a_resource_of_its_package() -> None:
    names = [p.relative_to(REPOSITORY) for floor in FLOORS for p in REPOSITORY.glob(f"{floor}/**/*") if p.is_file()]
    data = [name for name in names if name.suffix not in (".py", ".pyc")]
    assert Path("storage/schema.sql") in data
    for name in data:
        assert files(name.parts[0]).joinpath(*name.parts[1:]).is_file(), name


@pytest.mark.parametrize("name", MODULES)
def test_nobody_looks_for_data_beside_its_source(name: str) -> None:
    path = MODULES[name]
    uses_file = any(
        isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(ast.parse(path.read_text()))
    )
    assert not uses_file or str(path.relative_to(REPOSITORY)) in KNOW_THEIR_PLACE


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    places = [f"{place}/" for place in (REPOSITORY, REPOSITORY.parent) if len(place.parts) > 1]
    for path in repository_files():
        text = (REPOSITORY / path).read_text(errors="replace")
        assert not [place for place in places if place in text], path
