"""Which languages the texts are in, and which base fits them.

Telling the language of one short text is guesswork: of 600 short English commands a detector takes 9 % for
something else. What the other texts are helps: if almost all that can be told are English, "ok thanks" is English
too. So the texts are judged together, as a mixture of languages whose shares are estimated from all of them; a
text counts as another language only where its own evidence outweighs how rare that language is here.

Texts of one or two words ("bye bye", which a detector takes for Luganda) say too little to bring in a language: they
are judged by what the longer ones are. And one text is no language: it can be misread.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from fewfit.errors import MissingExtraError

Fit = Literal["english", "multilingual"]

# DESIGN.md: english only where more than 99 % of the texts are English.
ENGLISH_SHARE: Final = 0.99
# Texts looked at, drawn by hash. At 0.2 ms a text this is about a second.
_SAMPLE_TEXTS = 5000
# A text's first characters tell its language.
_CHARACTERS = 400
_ROUNDS = 100
# A text says something with this many words, or in another script than the Latin one.
_FEWEST_WORDS = 3
# With fewer such texts all are asked, for the best guess there is.
_FEWEST_TELLING = 5
# A text is clearly in another language where that explains it this many times better than English does...
_CLEARLY = 100.0
# ...and a language is there with this many clear texts: misread ones scatter over many languages.
_FEWEST_CLEAR = 2
# So many clear texts count in whatever languages they are: one that the detector does not know scatters, too.
_FEWEST_SCATTERED = 5


@dataclass(frozen=True)
class LanguageMix:
    """The languages of `n_texts` texts: ISO 639-1 code and share, the most frequent first."""

    shares: tuple[tuple[str, float], ...]
    n_texts: int
    # Language of each text looked at, by its position (from 0).
    languages: tuple[tuple[int, str], ...] = ()
    # How many texts say enough to tell a language by, and how many of these are clearly in another one than English.
    n_telling: int = 0
    n_clear: int = 0

    @property
    def english(self) -> float:
        """The share of English texts, 0 to 1."""
        return dict(self.shares).get("en", 0.0)

    @property
    def base(self) -> Fit:
        """The base that fits: `english` only where more than 99 % of the texts are English."""
        return "english" if self.english > ENGLISH_SHARE else "multilingual"

    @property
    def sure(self) -> bool:
        """Whether there is enough to go by: for English a few texts, for others more than one that is clear."""
        if self.base == "english":
            return self.n_telling >= _FEWEST_TELLING
        return self.n_clear > (1 - ENGLISH_SHARE) * self.n_telling

    def __str__(self) -> str:
        shown = [(code, share) for code, share in self.shares if share >= 0.0005][:5]
        words = ", ".join(f"{code} {share:.1%}" for code, share in shown)
        rest = len(self.shares) - len(shown)
        return f"{words} and {rest} more" if rest else words


def language_mix(texts: Sequence[str]) -> LanguageMix:
    """The languages of the texts, judged together. Raises MissingExtraError without py3langid.

    Looks at 5,000 texts at most, the same ones in whatever order they come.
    """
    sample = _sample(texts)
    if not sample:
        return LanguageMix((), 0)
    identifier = _identifier()
    codes = list(identifier.labels)
    # Texts that are the same count each, and are looked at once.
    evidence = np.stack([_evidence(identifier, codes, texts[index]) for index in sample])  # (n_texts, n_languages)
    told = evidence.max(axis=1) > 0
    telling = told & np.array([_says_enough(texts[index]) for index in sample])
    shares = _shares(evidence[telling] if telling.sum() >= _FEWEST_TELLING else evidence[told])
    best = (evidence * shares).argmax(axis=1)
    # A text without any letter says nothing; it goes with the majority.
    majority = Counter(best[told].tolist()).most_common(1)[0][0] if told.any() else codes.index("en")
    best[~told] = majority
    counts = Counter(codes[number] for number in best.tolist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return LanguageMix(
        shares=tuple((code, count / len(sample)) for code, count in ordered),
        n_texts=len(sample),
        languages=tuple((index, codes[number]) for index, number in zip(sample, best.tolist(), strict=True)),
        n_telling=int(telling.sum()),
        n_clear=_n_clear(evidence[telling], best[telling], codes.index("en")),
    )


def _n_clear(evidence: np.ndarray, best: np.ndarray, english: int) -> int:
    """How many texts are clearly in another language than English, where they do not look like misread ones."""
    rows = np.arange(len(best))
    clear = best[evidence[rows, best] >= _CLEARLY * evidence[:, english]]
    counts = Counter(clear[clear != english].tolist())
    if counts.total() >= _FEWEST_SCATTERED:
        return counts.total()
    return sum(count for count in counts.values() if count >= _FEWEST_CLEAR)


def _says_enough(text: str) -> bool:
    """Whether a text has a few words, or is not in Latin letters."""
    shown = text[:_CHARACTERS]
    if sum(any(map(str.isalpha, word)) for word in shown.split()) >= _FEWEST_WORDS:
        return True
    letters = [character for character in shown if character.isalpha()]
    return 2 * sum(not _is_latin(character) for character in letters) > len(letters)


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter < "\u1f00"


def _shares(evidence: np.ndarray) -> np.ndarray:
    """The most likely share of each language in texts that say something; (n_languages,).

    By expectation-maximisation.
    """
    n_languages = evidence.shape[1]
    shares: np.ndarray = np.full(n_languages, 1.0 / n_languages)
    for _ in range(_ROUNDS if len(evidence) else 0):
        weighted = evidence * shares
        # A language that no text speaks for loses its share and must not bring a text down to zero.
        updated = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        updated = np.maximum(updated, 1e-9)
        if np.abs(updated - shares).max() < 1e-6:
            break
        shares = updated / updated.sum()
    return shares


def _evidence(identifier: Any, codes: list[str], text: str) -> np.ndarray:
    """How well each language explains a text, (n_languages,); zeros where the text says nothing."""
    shown = text[:_CHARACTERS]
    if not any(character.isalpha() for character in shown):
        return np.zeros(len(codes))
    ranked = dict(identifier.rank(shown))
    return np.array([ranked[code] for code in codes], dtype=float)


def _sample(texts: Sequence[str]) -> list[int]:
    if len(texts) <= _SAMPLE_TEXTS:
        return list(range(len(texts)))
    hashes = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
    return sorted(sorted(range(len(texts)), key=lambda index: (hashes[index], texts[index]))[:_SAMPLE_TEXTS])


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError(
            'Telling languages needs py3langid. Install it with: pip install "fewfit[train]"'
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
