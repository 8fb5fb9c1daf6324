"""Takes markup and URLs out of a text."""

import html
import re
from collections.abc import Iterator
from typing import Final

TAG: Final = re.compile(r"<!--|</?[a-zA-Z][a-zA-Z0-9:-]*(?:[\s/][^<>]*)?>")
ENTITY: Final = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
URL: Final = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", re.IGNORECASE)
# [words](address): the words stay.
_MARKDOWN_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\((?:https?://|www\.)[^\s()]*\)", re.IGNORECASE)
_NAME: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]*)")
# Tags inside a word ("un<b>believ</b>able") leave nothing behind, all others a space.
_INLINE: Final = frozenset(
    ("a", "abbr", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u")
)
# What is inside these is no text.
_HIDDEN: Final = frozenset(("script", "style", "head", "template"))
_SPACES: Final = re.compile(r"[^\S\n]+")
_LINES: Final = re.compile(r" ?\n ?(?:\n ?)*")


def clean_text(text: str) -> str:
    """The text without markup and URLs, its runs of white space closed up.

    HTML tags, comments, scripts and style sheets go, entities become characters, Markdown links keep
    their words. Where nothing would remain, the text stays as it is: an address can be all the
    evidence there is.

    >>> clean_text("<p>My invoice &amp; receipt are <b>wrong</b>: https://example.org/i?id=7</p>")
    'My invoice & receipt are wrong:'
    >>> clean_text("a < b, I <3 it")
    'a < b, I <3 it'
    """
    cleaned = text
    if "<" in cleaned:
        cleaned = "".join(_without_tags(cleaned))
    if "&" in cleaned:
        cleaned = ENTITY.sub(_character, cleaned)
    cleaned = _MARKDOWN_LINK.sub(r"\1", cleaned)
    cleaned = URL.sub(" ", cleaned)
    cleaned = _LINES.sub("\n", _SPACES.sub(" ", cleaned)).strip()
    return cleaned or text


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for. Words stay: html.unescape makes "®ards" of "&regards", also before a semicolon."""
    found = html.unescape(entity.group())
    return entity.group() if len(found) > 1 and found.endswith(";") else found


def _without_tags(text: str) -> Iterator[str]:
    lower = text.lower()
    position = 0
    # How far a search for an end tag went without finding one, so that each is looked for once.
    unclosed: set[str] = set()
    for match in TAG.finditer(text):
        if match.start() < position:
            continue
        yield text[position : match.start()]
        position = match.end()
        if match.group() == "<!--":
            position = _after("-->", lower, position, unclosed)
            continue
        found = _NAME.match(match.group())
        assert found is not None, "TAG matched"
        name = found.group(1).lower()
        if name in _HIDDEN and not match.group().startswith("</"):
            position = _after(f"</{name}>", lower, position, unclosed)
        yield "" if name in _INLINE else " "
    yield text[position:]


def _after(end: str, lower: str, position: int, unclosed: set[str]) -> int:
    """The position behind the next `end`, or the one given where there is none."""
    if end in unclosed:
        return position
    found = lower.find(end, position)
    if found < 0:
        unclosed.add(end)
        return position
    return found + len(end)
