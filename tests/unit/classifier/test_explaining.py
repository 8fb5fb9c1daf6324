import json
from pathlib import Path

import numpy as np
import pytest

from fewfit import Classifier
from fewfit.classifier.explaining import word_spans
from fewfit.errors import InputError
from tests.unit.classifier.conftest import labelled


def test_words_are_found_where_they_stand() -> None:
    text = "It's re-opened, 50% off! \n好的 ok"
    words = [text[start:end] for start, end in word_spans(text, 99)]
    assert words == ["It's", "re-opened", ",", "50", "%", "off", "!", "好", "的", "ok"]
    assert word_spans("", 9) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("मुझे पैसे वापस चाहिए", ["मुझे", "पैसे", "वापस", "चाहिए"]),
        ("cafe\u0301s, d\u2019e\u0301te\u0301", ["cafe\u0301s", ",", "d\u2019e\u0301te\u0301"]),
        ("می\u200cخواهم مُحَمَّد", ["می\u200cخواهم", "مُحَمَّد"]),
        ("ที่ดี", ["ที่", "ดี"]),
        ("ok \U0001f469\u200d\U0001f4bb\u2764\ufe0f", ["ok", "\U0001f469\u200d\U0001f4bb\u2764\ufe0f"]),
    ],
)
def test_accents_vowel_signs_and_joiners_belong_to_their_letters(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text, 99)] == words


def test_long_texts_are_asked_about_in_larger_parts() -> None:
    text = " ".join(f"w{number}" for number in range(100))
    spans = word_spans(text, 30)
    assert len(spans) == 25
    assert text[spans[0][0] : spans[0][1]] == "w0 w1 w2 w3"
    assert spans[-1][1] == len(text)


def test_a_weight_is_what_the_log_odds_lose_without_the_word(model_folder: Path) -> None:
    clf = Classifier.load(model_folder)
    (found,) = clf.explain(["where is my parcel"])
    column = clf.classes_.tolist().index(found.label)

    def log_odds(text: str) -> float:
        confidence = clf.predict_proba([text])[0, column]
        return float(np.log(confidence / (1 - confidence)))

    assert found.label == clf.predict(["where is my parcel"])[0]
    assert [word.text for word in found.words] == ["where", "is", "my", "parcel"]
    whole = log_odds("where is my parcel")
    for word, without in zip(
        found.words, ("is my parcel", "where my parcel", "where is parcel", "where is my"), strict=True
    ):
        assert found.text[word.start : word.end] == word.text
        assert word.weight == pytest.approx(whole - log_odds(without), abs=2e-3)


def test_the_word_that_only_one_label_has_weighs_more_than_the_others(model_folder: Path) -> None:
    texts, names = labelled("parcel", "card", "film", times=2)
    own: list[float] = []
    others: list[float] = []
    for each, name in zip(Classifier.load(model_folder).explain(texts), names, strict=True):
        for word in each.words:
            (own if name in word.text else others).append(word.weight)
    assert np.mean(own) > np.mean(others)


def test_nearest_examples_come_with_their_labels(model_folder: Path) -> None:
    texts, names = labelled("card", times=1)
    for each, text, name in zip(Classifier.load(model_folder).explain(texts, n_words=0), texts, names, strict=True):
        assert each.words == ()
        assert len(each.examples) == 3
        assert each.examples[0].text == text
        assert each.examples[0].labels == (name,)
        assert each.examples[0].similarity > 0.99
        similarities = [example.similarity for example in each.examples]
        assert similarities == sorted(similarities, reverse=True)
        json.dumps(each.to_dict())


def test_another_label_can_be_asked_about(multi_folder: Path) -> None:
    clf = Classifier.load(multi_folder)
    (found,) = clf.explain(["my card is refused"], label="parcel")
    assert found.label == "parcel"
    assert found.confidence == pytest.approx(clf.predict_proba(["my card is refused"])[0, 1])
    with pytest.raises(InputError, match="no label 'dog'"):
        clf.explain(["my card"], label="dog")
    assert clf.explain([]) == []
    with pytest.raises(InputError, match="n_words is -1; expected a whole number from 0"):
        clf.explain(["my card"], n_words=-1)
    with pytest.raises(InputError, match="n_examples is -1; expected a whole number from 0"):
        clf.explain(["my card"], n_examples=-1)
