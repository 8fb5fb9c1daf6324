"""Contract section 6: single-label, multi-label, by examples, and what is refused."""

from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.bridge import Sdk, SdkError
from tests.acceptance.sdk.server import LiveServer

INPUTS = list(tickets.QUESTIONS.values())
EXAMPLES = [{"text": text, "label": label} for text, label in tickets.single(4)]


def check_single(item: dict[str, Any], text: str, labels: tuple[str, ...] = tickets.LABELS) -> None:
    assert item["id"]
    assert item["input"] == text
    assert item["classification_type"] == "single-label"
    assert item["predictions"] == [item["prediction"]]
    assert item["confidences"] == [item["confidence"]]
    scores = {label: one["confidence"] for label, one in item["labels"].items()}
    assert set(scores) == set(labels)
    assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
    assert scores[item["prediction"]] == item["confidence"] == max(scores.values())


def test_a_fine_tuned_model_answers_in_the_order_of_the_inputs(sdk: Sdk, model: dict[str, Any]) -> None:
    answer = sdk.classify(model=f"{model['id']}-ft", inputs=INPUTS)
    assert answer["id"]
    for item, text in zip(answer["classifications"], INPUTS, strict=True):
        check_single(item, text)
    assert len({item["id"] for item in answer["classifications"]}) == len(INPUTS)
    assert [item["prediction"] for item in answer["classifications"]] == list(tickets.QUESTIONS)
    assert answer["meta"]["api_version"]["version"] == "1"
    assert answer["meta"]["billed_units"]["classifications"] == len(INPUTS)
    assert sdk.classify(model=model["id"], inputs=INPUTS[:1])["classifications"][0]["prediction"] == "billing"


def test_last_used_follows_the_requests(sdk: Sdk, model: dict[str, Any]) -> None:
    sdk.classify(model=f"{model['id']}-ft", inputs=INPUTS[:1])
    assert sdk.get_model(model["id"])["last_used"]["$datetime"]


def test_texts_come_back_as_they_were_sent(sdk: Sdk, model: dict[str, Any]) -> None:
    texts = ["ÜBER die Rechnung\n\t ", "支払い 💳", "a" * 5000, " ", "<b>&amp;</b>"]
    answer = sdk.classify(model=f"{model['id']}-ft", inputs=texts)
    assert [item["input"] for item in answer["classifications"]] == texts


def test_several_labels_have_independent_confidences(sdk: Sdk, multi_model: dict[str, Any]) -> None:
    texts = [f"{tickets.QUESTIONS['account']}. {tickets.QUESTIONS['billing']}", *INPUTS, "hello and thanks"]
    answer = sdk.classify(model=f"{multi_model['id']}-ft", inputs=texts)
    for item, text in zip(answer["classifications"], texts, strict=True):
        assert item["classification_type"] == "multi-label"
        assert item["input"] == text
        assert "prediction" not in item
        assert "confidence" not in item
        assert set(item["labels"]) == set(tickets.LABELS)
        assert all(0 <= one["confidence"] <= 1 for one in item["labels"].values())
        assert [item["labels"][label]["confidence"] for label in item["predictions"]] == item["confidences"]
        assert item["confidences"] == sorted(item["confidences"], reverse=True)


def test_python_passes_thresholds_of_ours_through(python: Sdk, multi_model: dict[str, Any]) -> None:
    for threshold, expected in ((0.0, set(tickets.LABELS)), (1.0, set())):
        more = {"additional_body_parameters": {"thresholds": threshold}}
        answer = python.classify(model=f"{multi_model['id']}-ft", inputs=INPUTS[:1], request_options=more)
        assert set(answer["classifications"][0]["predictions"]) == expected


def test_examples_classify_without_a_model(sdk: Sdk) -> None:
    answer = sdk.classify(inputs=INPUTS, examples=EXAMPLES)
    for item, text in zip(answer["classifications"], INPUTS, strict=True):
        check_single(item, text)
    assert answer["meta"]["billed_units"]["classifications"] == len(INPUTS)


@pytest.mark.parametrize("model_name", ["embed-english-v3.0", "embed-multilingual-v2.0", "large"])
def test_examples_classify_with_the_name_of_a_base(sdk: Sdk, model_name: str) -> None:
    answer = sdk.classify(model=model_name, inputs=INPUTS[:1], examples=EXAMPLES)
    check_single(answer["classifications"][0], INPUTS[0])


def test_labels_keep_their_names(sdk: Sdk) -> None:
    names = ("camelCase Label", "snake_case_label", "größe & <b>")
    examples = [{"text": f"text {n} {name}", "label": name} for name in names for n in range(2)]
    item = sdk.classify(inputs=["text"], examples=examples)["classifications"][0]
    assert set(item["labels"]) == set(names)


def test_with_both_the_model_wins_and_says_so(sdk: Sdk, model: dict[str, Any]) -> None:
    examples = [{"text": f"x{n}", "label": label} for label in ("yes", "no") for n in range(2)]
    answer = sdk.classify(model=f"{model['id']}-ft", inputs=INPUTS[:1], examples=examples)
    check_single(answer["classifications"][0], INPUTS[0])
    assert any("examples" in warning for warning in answer["meta"]["warnings"])
    assert "warnings" not in sdk.classify(model=f"{model['id']}-ft", inputs=INPUTS[:1], examples=[])["meta"]


def test_none_is_as_good_as_absent(python: Sdk, python_model: dict[str, Any]) -> None:
    answer = python.call("classify", model=f"{python_model['id']}-ft", inputs=INPUTS[:1], examples=None, truncate=None)
    check_single(answer["classifications"][0], INPUTS[0])
    answer = python.call(
        "classify", model=None, inputs=INPUTS[:1], examples=[{"$type": ["ClassifyExample", one]} for one in EXAMPLES]
    )
    check_single(answer["classifications"][0], INPUTS[0])


def test_a_preset_is_not_used_and_the_answer_says_so(server: LiveServer, some_model: dict[str, Any]) -> None:
    body = {"model": f"{some_model['id']}-ft", "inputs": INPUTS[:1], "preset": "my-preset"}
    answer = server.request("POST", "/v1/classify", body)
    assert answer.status == 200
    assert "preset" in answer.headers["x-api-warning"]


def test_texts_that_are_too_long_are_cut_at_the_end_told(sdk: Sdk, model: dict[str, Any]) -> None:
    filler = "the weather is fine today and tomorrow " * 60
    name = f"{model['id']}-ft"
    first, last = f"{INPUTS[0]} " * 12 + filler, filler + f" {INPUTS[0]}" * 12
    by_end = sdk.classify(model=name, inputs=[first, last], truncate="END")["classifications"]
    by_start = sdk.classify(model=name, inputs=[first, last], truncate="START")["classifications"]
    assert by_end[0]["labels"] != by_end[1]["labels"]
    assert by_start[0]["labels"] != by_end[0]["labels"]
    assert sdk.classify(model=name, inputs=[first])["classifications"][0]["labels"] == by_end[0]["labels"]
    with pytest.raises(SdkError) as caught:
        sdk.classify(model=name, inputs=["short", first], truncate="NONE")
    assert caught.value.type == "BadRequestError"
    assert sdk.classify(model=name, inputs=["short"], truncate="NONE")["classifications"]


def test_an_answer_does_not_depend_on_what_else_is_asked(sdk: Sdk, model: dict[str, Any]) -> None:
    name = f"{model['id']}-ft"
    together = sdk.classify(model=name, inputs=[f"{text} {n}" for n in range(32) for text in INPUTS])["classifications"]
    alone = sdk.classify(model=name, inputs=[f"{INPUTS[1]} 7"])["classifications"][0]
    assert len(together) == 96
    same = next(item for item in together if item["input"] == f"{INPUTS[1]} 7")
    for label, one in alone["labels"].items():
        assert same["labels"][label]["confidence"] == pytest.approx(one["confidence"], abs=1e-5)


@pytest.mark.parametrize("client", ["ClientV2", "AsyncClient", "AsyncClientV2"])
def test_other_python_clients_classify(python: Sdk, multi_model: dict[str, Any], client: str) -> None:
    answer = python.classify(model=f"{multi_model['id']}-ft", inputs=INPUTS[:1], client=client)
    assert answer["classifications"][0]["classification_type"] == "multi-label"


BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "97 inputs": ({"inputs": ["x"] * 97, "examples": EXAMPLES}, ("96", "97")),
    "no inputs": ({"inputs": [], "examples": EXAMPLES}, ("inputs",)),
    "an empty input": ({"inputs": ["x", "y", ""], "examples": EXAMPLES}, ("2",)),
    "neither model nor examples": ({"inputs": ["x"]}, ("examples",)),
    "a base without examples": ({"inputs": ["x"], "model": "english"}, ("examples",)),
    "one class": (
        {"inputs": ["x"], "examples": [{"text": "a", "label": "only"}, {"text": "b", "label": "only"}]},
        ("only",),
    ),
    "one text of a label": ({"inputs": ["x"], "examples": [*EXAMPLES, {"text": "a", "label": "lonely"}]}, ("lonely",)),
    "2501 examples": (
        {"inputs": ["x"], "examples": [{"text": f"t{n}", "label": str(n % 2)} for n in range(2501)]},
        ("2500", "2501"),
    ),
    "an empty example": ({"inputs": ["x"], "examples": [*EXAMPLES, {"text": "", "label": "billing"}]}, ("12",)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_classified_is_a_bad_request_that_names_it(sdk: Sdk, case: str) -> None:
    request, words = BAD[case]
    with pytest.raises(SdkError) as caught:
        sdk.classify(**request)
    assert (caught.value.type, caught.value.status) == ("BadRequestError", 400)
    for word in words:
        assert word in caught.value.message


def test_ninety_six_inputs_are_allowed(sdk: Sdk) -> None:
    answer = sdk.classify(inputs=[f"text {n}" for n in range(96)], examples=EXAMPLES)
    assert len(answer["classifications"]) == 96


@pytest.mark.parametrize("model_name", [f"{uuid4()}-ft", str(uuid4()), "no-such-model"])
def test_an_unknown_model_is_not_found(sdk: Sdk, model_name: str) -> None:
    for more in ({}, {"examples": EXAMPLES}):
        with pytest.raises(SdkError) as caught:
            sdk.classify(model=model_name, inputs=["x"], **more)
        assert (caught.value.type, caught.value.status) == ("NotFoundError", 404)
