"""What an indexer says it can do: the answer to `t=caps`."""

from dataclasses import dataclass

from lxml import etree

from clients.errors import BadAnswer, BadAnswerReason

DEFAULT_PAGE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class SearchMode:
    """One kind of search, and the parameters that may be combined in it."""

    is_available: bool
    parameters: frozenset[str]
    is_raw: bool  # takes titles with their punctuation

    def supports(self, parameter: str) -> bool:
        """Whether a search may use the parameter, such as `tmdbid`."""
        return self.is_available and parameter in self.parameters


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The searches an indexer offers, its largest page, and its categories by id."""

    search: SearchMode
    movie_search: SearchMode
    page_size: int
    categories: dict[int, str]


def read_caps(root: etree._Element) -> Caps:
    """The capabilities in a `<caps>` document; a missing part gets the default that Radarr assumes."""
    if root.tag != "caps":
        raise BadAnswer(f"the answer to t=caps is <{root.tag[:50]}>", reason=BadAnswerReason.WRONG_ROOT)
    searching = root.find("searching")
    limits = root.find("limits")
    sizes = [] if limits is None else [limits.get("default", ""), limits.get("max", "")]
    return Caps(
        search=_search_mode(searching, "search", "q"),
        movie_search=_search_mode(searching, "movie-search", "q,imdbid"),
        page_size=max((int(size) for size in sizes if _is_number(size)), default=0) or DEFAULT_PAGE_SIZE,
        categories={
            int(category.get("id", "")): category.get("name", "")[:100]
            for category in [*root.findall("categories/category"), *root.findall("categories/category/subcat")]
            if _is_number(category.get("id", ""))
        },
    )


def _search_mode(searching: etree._Element | None, name: str, default_parameters: str) -> SearchMode:
    mode = None if searching is None else searching.find(name)
    if mode is None:
        is_assumed = searching is None and name == "search"
        return SearchMode(
            is_available=is_assumed,
            parameters=frozenset(default_parameters.split(",")),
            is_raw=False,
        )
    listed = mode.get("supportedParams")
    return SearchMode(
        is_available=mode.get("available", "yes").lower() in ("yes", "true", "1"),
        parameters=frozenset((listed or default_parameters).lower().replace(" ", "").split(",")),
        is_raw=mode.get("searchEngine", "").lower() == "raw",
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
