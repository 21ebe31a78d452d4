"""One wrong file per mistake: each is told in one line, at its place, with the way out."""

from pathlib import Path

import pytest

from tests.config.documents import mistakes_in, written

CLIENT = '[[download_clients]]\nname = "x"\ntype = "builtin"\n'
INDEXER = '[[indexers]]\nname = "x"\nurl = "http://x"\n'

UNKNOWN_KEYS = [
    ("at the top", "stal = 1", '1: unknown key stal; did you mean "stall"?'),
    ("that is a table", "\n[wantd.hd]\ntmdb = [1]", '2: unknown key wantd; did you mean "wanted"?'),
    ("that is an array of tables", "[[indexer]]", '1: unknown key indexer; did you mean "indexers"?'),
    ("under an alias", "[imports]", '1: unknown key imports; did you mean "import"?'),
    ("in a table", "[api]\n\nlistn = 1", '3: unknown key api.listn; did you mean "listen"?'),
    ("dotted", "\napi.listn.x = 1", '2: unknown key api.listn; did you mean "listen"?'),
    ("quoted", "[api]\n'list en' = 1", '2: unknown key api.list en; did you mean "listen"?'),
    ("like nothing", "[api]\nzzz = 1", "2: unknown key api.zzz"),
    (
        "in the second table of an array",
        f'{INDEXER}[[indexers]]\nname = "y"\nurl = "http://y"\n# urll = 1\nprioriti = 2',
        '8: unknown key indexers.prioriti; did you mean "priority"?',
    ),
    ("of a client's type", f"{CLIENT}alow_private = 1", "4: unknown key download_clients.alow_private; did you mean"),
    ("of the other type of client", f'{CLIENT}username = "x"', "4: unknown key download_clients.username"),
    (
        "in an inline table",
        f'{INDEXER}limits = {{ evry = "2s" }}',
        '4: unknown key indexers.limits.evry; did you mean "every"?',
    ),
    ("in a table of an array's table", f"{INDEXER}[indexers.limits]\nevry = 1", "5: unknown key indexers.limits.evry;"),
    (
        "in an inline table inside an array",
        '[[download_clients]]\nname = "x"\ntype = "qbittorrent"\nurl = "http://x"\npath_mappings = [\n'
        '  { remote = "/a", local = "/b" },\n  { remote = "/a", local = "/b", locl = "/b" },\n]',
        '7: unknown key download_clients.path_mappings.locl; did you mean "local"?',
    ),
    (
        "in a named table",
        '[profiles.x]\nqualites = ["SDTV"]\nqualities = ["SDTV"]',
        '2: unknown key profiles.x.qualites; did you mean "qualities"?',
    ),
    ("with a line's end in it", '"a\\nb\\u001b[31m" = 1', "1: unknown key a\\nb\\x1b[31m"),
]

WRONG_VALUES = [
    ("a number for a string", "[naming]\nfile = 5", "2: naming.file: expected a string"),
    ("a string for a number", '[retry]\nretries = "3"', "2: retry.retries: expected a whole number"),
    ("a fraction for a whole number", "[retry]\nretries = 3.0", "2: retry.retries: expected a whole number"),
    ("true for a number", "[retry]\nretries = true", "2: retry.retries: expected a whole number"),
    ("a number for true", "[daemon]\ndebug = 1", "2: daemon.debug: expected true or false"),
    ("a date for a duration", "[stall]\nmetadata = 2020-01-01", "2: stall.metadata: expected a duration such as"),
    ("a string for a ratio", f'{INDEXER}seed_until.ratio = "1"', "4: indexers.seed_until.ratio: expected a number"),
    ("no number", f"{INDEXER}seed_until.ratio = nan", "4: indexers.seed_until.ratio: expected a "),
    ("an endless number", f"{INDEXER}seed_until.ratio = inf", "4: indexers.seed_until.ratio: expected a "),
    ("a key for a table", "api = 5", "1: api: expected a table"),
    ("a key for a client", "download_clients = [5]", "1: download_clients: expected a table"),
    ("a key for named tables", "wanted = []", "1: wanted: expected a table"),
    ("a table for a table of many", '[indexers]\nname = "x"', "1: indexers: expected an array of tables; write [["),
    ("tables for a table", "[[api]]", "1: api: expected a table"),
    ("a string for an array", '[wanted.hd]\ntitles = "Sintel"', "2: wanted.hd.titles: expected an array"),
    (
        "a breaker's rate of 0",
        "[breaker]\nfailure_rate = 0.0",
        "2: breaker.failure_rate: expected a value greater than 0",
    ),
    (
        "a breaker's rate over 100 %",
        "[breaker]\nslow_rate = 1.01",
        "2: breaker.slow_rate: expected a value less than or equal to 1",
    ),
    ("a breaker's window of no calls", "[breaker]\nwindow = 0", "2: breaker.window: expected 1 to 1000 calls"),
    ("a breaker's window of words", '[breaker]\nwindow = "three"', "2: breaker.window: expected a number of calls, or"),
    ("too small", "[retry]\nretries = -1", "2: retry.retries: expected a value greater than or equal to 0"),
    ("too large", f"{INDEXER}priority = 51", "4: indexers.priority: expected a value less than or equal to 50"),
    ("no time at all", '[stall]\nmetadata = "0s"', "2: stall.metadata: expected a value greater than 0"),
    (
        "a rate that is too large",
        f'{CLIENT}upload_limit = "2GiB"',
        "4: download_clients.upload_limit: expected a value",
    ),
    ("a size without unit", '[[roots]]\nmin_free = "5"', "2: roots.min_free: expected a size such as"),
    ("no word of the list", '[import]\ntransfer = "link"', "2: import.transfer: expected 'hardlink-only', 'prefer-h"),
    ("no root", "roots = []", "1: roots: expected at least one entry"),
    ("an address without a port", '[api]\nlisten = "localhost"', "2: api.listen: expected HOST:PORT such as"),
    ("a port that is too large", '[api]\nlisten = "x:65536"', "2: api.listen: expected HOST:PORT such as"),
    ("a port in other digits", '[api]\nlisten = "x:²"', "2: api.listen: expected HOST:PORT such as"),
    ("IPv6 without brackets", '[api]\nlisten = "::1:80"', "2: api.listen: expected HOST:PORT such as"),
    ("brackets without IPv6", '[api]\nlisten = "[x]:80"', "2: api.listen: expected HOST:PORT such as"),
    ("a host with an empty part", '[api]\nlisten = "a..b:80"', "2: api.listen: expected HOST:PORT such as"),
    ("a short key", '[api]\napi_key = "short"', "2: api.api_key: expected at least 16 ASCII characters"),
    ("no web address", '[[indexers]]\nname = "x"\nurl = "x"', "3: indexers.url: expected an address such as"),
    ("a web address without host", '[[indexers]]\nname = "x"\nurl = "http://:80"', "3: indexers.url: expected an add"),
    ("a web address with a bad port", '[[indexers]]\nname = "x"\nurl = "http://x:y"', "3: indexers.url: expected an"),
    ("a web address with a space", '[[indexers]]\nname = "x"\nurl = "http://x y"', "3: indexers.url: expected an"),
    ("brackets that do not close", '[[indexers]]\nname = "x"\nurl = "http://[::1"', "3: indexers.url: expected an"),
    ("a name with a slash", CLIENT.replace("x", "a/b"), "2: download_clients.name: expected a name of at most"),
    ("an empty name", CLIENT.replace("x", ""), "2: download_clients.name: expected a name of at most"),
    ("a table's name with a space", '\n["wanted"."a b"]', "2: wanted.a b: expected a name of at most"),
    ("an empty path", '[daemon]\ndata_dir = ""', "2: daemon.data_dir: expected a path"),
    ("a path with NUL", '[daemon]\ndata_dir = "a\\u0000b"', "2: daemon.data_dir: expected a path"),
    ("nobody's home", '[daemon]\ndata_dir = "~no-such-user/x"', '2: daemon.data_dir: "~no-such-user" is nobody\'s'),
    ("a control character", f'{CLIENT}bind = "lo\\u0007"', "4: download_clients.bind: holds a control character"),
    ("a bin outside its root", '[import]\nrecycle_bin = "../x"', "2: import.recycle_bin: expected a folder inside"),
    ("a bin that is the root", '[import]\nrecycle_bin = "."', "2: import.recycle_bin: expected a folder inside"),
    ("a bin anywhere", '[import]\nrecycle_bin = "/x"', "2: import.recycle_bin: expected a folder inside"),
    ("an unknown token", '[naming]\nfile = "{Movie Titel}"', "2: naming.file: {Movie Titel} is no naming token; did y"),
    ("a brace too few", '[naming]\nfile = "{Movie Title"', "2: naming.file: a brace has no partner"),
    ("one folder for all", '[naming]\nfolder = "{Quality Full}"', "2: naming.folder: expected a pattern with {Movie"),
    ("no file name", '[naming]\nfile = ""', "2: naming.file: expected a pattern with {Movie Title}"),
    ("a folder in a file name", '[naming]\nfile = "{Movie Title}/x"', '2: naming.file: expected a name without "/"'),
    ("no title", '[wanted.hd]\ntitles = [\n  "A",\n  "...",\n]', '4: wanted.hd.titles: "..." names no movie'),
    ("a title in two lines", '[wanted.hd]\ntitles = ["A\\nB"]', "2: wanted.hd.titles: holds a control character"),
    ("a long title", f'[wanted.hd]\ntitles = ["{"x" * 513}"]', "2: wanted.hd.titles: expected at most 512 characters"),
    ("no TMDB id", "[wanted.hd]\ntmdb = [1,\n0]", "3: wanted.hd.tmdb: expected a value greater than 0"),
    ("a huge TMDB id", f"[wanted.hd]\ntmdb = [{10**30}]", "2: wanted.hd.tmdb: expected a value less than or equ"),
    ("no IMDb id", '[wanted.hd]\nimdb = ["603"]', '2: wanted.hd.imdb: expected an IMDb id such as "tt0133093"'),
]

MISSING = [
    ("an indexer's address", '\n[[indexers]]\nname = "x"', "2: indexers.url is missing"),
    ("a client's name", '[[download_clients]]\ntype = "builtin"', "1: download_clients.name is missing"),
    ("a client's type", '[[download_clients]]\nname = "x"', "1: download_clients.type is missing"),
    ("a profile's qualities", "[profiles]\n[profiles.x]", "2: profiles.x.qualities is missing"),
    (
        "one end of a path mapping",
        '[[download_clients]]\nname = "x"\ntype = "qbittorrent"\nurl = "http://x"\npath_mappings = [{ remote = "/a" }]',
        "5: download_clients.path_mappings.local is missing",
    ),
]

TYPES = [
    (
        "of client",
        '[[download_clients]]\nname = "x"\ntype = "qbitorrent"',
        "3: download_clients.type: expected one of 'builtin', 'qbittorrent'; did you mean \"qbittorrent\"?",
    ),
    (
        "of client that is no string",
        '[[download_clients]]\nname = "x"\ntype = 5',
        "3: download_clients.type: expected one of 'builtin', 'qbittorrent'",
    ),
    ("of indexer", f'{INDEXER}type = "gopher"', "4: indexers.type: expected 'torznab'"),
]

PROFILES = [
    ("an unknown quality", '[profiles.x]\nqualities = [\n"SDTV",\n"Bluray-1080"]', '4: profiles.x.qualities: "Bluray-'),
    ("an unknown one in a group", '[profiles.x]\nqualities = [["SDTV",\n"HDTV"]]', '3: profiles.x.qualities: "HDTV"'),
    ("no quality", "[profiles.x]\nqualities = []", "2: profiles.x.qualities: expected at least one entry"),
    ("an empty group", '[profiles.x]\nqualities = ["SDTV", []]', "2: profiles.x.qualities: expected at least one en"),
    ("a number", "[profiles.x]\nqualities = [5]", "2: profiles.x.qualities: expected a string"),
    (
        "a quality twice",
        '[profiles.x]\nqualities = ["SDTV", ["DVD", "sdtv"]]',
        '2: profiles.x.qualities: "SDTV" is named twice',
    ),
    (
        "a cutoff beside the qualities",
        '[profiles.x]\nqualities = ["SDTV"]\ncutoff = "DVD"',
        '3: profiles.x.cutoff: "DVD" is not among the qualities',
    ),
    (
        "an unknown cutoff",
        '[profiles.x]\nqualities = ["SDTV"]\ncutoff = "DVE"',
        '3: profiles.x.cutoff: "DVE" is no quality; did you mean "DVD"?',
    ),
]

CONTRADICTIONS = [
    ("an indexer's name twice", INDEXER + INDEXER, '5: indexers.name: "x" is given twice'),
    ("a client's name twice", CLIENT + CLIENT, '5: download_clients.name: "x" is given twice'),
    ("a root twice", '[[roots]]\npath = "a"\n[[roots]]\npath = "b/../a/"', '4: roots.path: "'),
    ("a default root twice", "[[roots]]\n[[roots]]", '2: roots.path: "'),
    (
        "a profile nobody knows",
        '[wanted.hd]\nprofile = "hd-1080"',
        '2: wanted.hd.profile: no profile is called "hd-1080"; did you mean "hd-1080p"?',
    ),
    (
        "a table named like no profile",
        "\n[wanted.HDD]",
        '2: wanted.HDD: no profile is called "HDD"; did you mean "hd"?',
    ),
    (
        "a profile of the file",
        '[profiles.mine]\nqualities = ["SDTV"]\n[wanted.mien]',
        '3: wanted.mien: no profile is called "mien"; did you mean "mine"?',
    ),
    ("a root that is none", '[wanted.hd]\nroot = "x"', '2: wanted.hd.root: "'),
    (
        "downloads inside a root",
        f'{CLIENT}download_dir = "library/x"',
        "4: download_clients.download_dir: downloads must not lie inside the root",
    ),
    (
        "default downloads inside a root",
        f'{CLIENT}[[roots]]\npath = "."',
        "1: download_clients.download_dir: downloads must not lie inside the root",
    ),
]

ALL = UNKNOWN_KEYS + WRONG_VALUES + MISSING + TYPES + PROFILES + CONTRADICTIONS


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_a_mistake_is_one_line_that_says_where_and_what(text: str, expected: str, tmp_path: Path) -> None:
    shown = mistakes_in(written(tmp_path, text))
    assert len(shown) == 1, shown
    assert shown[0].startswith(expected)
    assert shown[0].isprintable()


def test_a_key_named_like_a_type_of_client_is_told_by_its_own_name(tmp_path: Path) -> None:
    text = f"{CLIENT}port = true\nbuiltin = {{ port = 1 }}"
    assert mistakes_in(written(tmp_path, text)) == [
        "4: download_clients.port: expected a whole number",
        "5: unknown key download_clients.builtin",
    ]


def test_a_table_in_place_of_numbers_is_not_taken_for_one_of_an_array(tmp_path: Path) -> None:
    assert mistakes_in(written(tmp_path, "[wanted.hd.tmdb]\nx = 1")) == ["1: wanted.hd.tmdb: expected an array"]


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = """\
[naming]
file = "{Nothing}"
[[indexers]]
name = "a b"
limits = { every = 5, nothing = 1 }
[stall]
metadata = "soon"
wrong = 1
[api]
listen = "nowhere"
"""
    numbers = [line.split(":")[0] for line in mistakes_in(written(tmp_path, text))]
    assert numbers == ["2", "3", "4", "5", "5", "7", "8", "10"]


def test_contradictions_are_told_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = '[wanted.x]\n[wanted.hd]\nroot = "x"\n[[roots]]\npath = "a"\n[[roots]]\npath = "a"\n' + CLIENT + CLIENT
    numbers = [line.split(":")[0] for line in mistakes_in(written(tmp_path, text))]
    assert numbers == ["1", "3", "7", "12"]


def test_a_very_long_text_is_cut(tmp_path: Path) -> None:
    (shown,) = mistakes_in(written(tmp_path, f"{'x' * 100_000} = 1"))
    assert len(shown) < 600
    assert shown.endswith("...")
