"""Lists that are searched, sorted and shown in pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fewfit.web.errors import RequestError

T = TypeVar("T")
PAGE_SIZE = 50
_LAST_PAGE = 1_000_000


@dataclass(frozen=True)
class Listing(Generic[T]):
    """One page of a list. `sort` is the name of a column, with a minus before it for downwards."""

    items: Sequence[T]
    total: int
    page: int
    n_pages: int
    query: str = ""
    sort: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def listing(
    items: Sequence[T],
    *,
    query: str,
    sort: str,
    page: int,
    columns: Mapping[str, tuple[str, Callable[[T], Any]]],
    words: Callable[[T], str],
) -> Listing[T]:
    """The items whose `words` have all those of the query, sorted by a column. Raises RequestError for no column."""
    wanted = query.casefold().split()
    found = [item for item in items if all(word in words(item).casefold() for word in wanted)]
    if sort:
        name = sort.removeprefix("-")
        if name not in columns:
            raise RequestError(f"sort is {sort[:40]!r}; expected one of {', '.join(columns)}, with - for downwards.")
        found.sort(key=columns[name][1], reverse=sort.startswith("-"))
    n_pages = n_pages_of(len(found))
    page = min(max(1, page), n_pages)
    shown = found[(page - 1) * PAGE_SIZE :][:PAGE_SIZE]
    return Listing(shown, len(found), page, n_pages, query, sort, {key: title for key, (title, _) in columns.items()})


def n_pages_of(total: int, size: int = PAGE_SIZE) -> int:
    """How many pages there are, one at least."""
    return max(1, -(-total // size))


def page_number(value: int) -> int:
    """A page number from an address, within what makes sense."""
    return min(max(1, value), _LAST_PAGE)
