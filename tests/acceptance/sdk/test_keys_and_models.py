"""Contract sections 1 and 3: base URL, keys, models, tokens."""

from typing import Any

import pytest

from tests.acceptance.sdk.bridge import Sdk, SdkError
from tests.acceptance.sdk.server import LiveServer

PYTHON_CLIENTS = ("Client", "ClientV2", "AsyncClient", "AsyncClientV2")


def test_a_good_key_is_valid(sdk: Sdk) -> None:
    answer = sdk.check_api_key()
    assert answer["valid"] is True
    assert isinstance(answer["organization_id"], str)
    assert isinstance(answer["owner_id"], str)


def test_a_bad_key_is_unauthorized(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.check_api_key(key="ff_wrong")
    assert (caught.value.type, caught.value.status) == ("UnauthorizedError", 401)
    assert set(caught.value.body) >= {"message", "id"}


@pytest.mark.parametrize("client", PYTHON_CLIENTS)
def test_every_python_client_reaches_models_datasets_and_finetuning(python: Sdk, client: str) -> None:
    assert python.list_models(client=client)["models"]
    assert isinstance(python.list_datasets(client=client), list)
    assert python.list_finetuned(client=client)["next_page_token"] is not None
    assert python.check_api_key(client=client)["valid"] is True


def test_node_v2_reaches_models_datasets_and_finetuning(node: Sdk) -> None:
    assert node.list_models(client="CohereClientV2")["models"]
    assert isinstance(node.list_datasets(client="CohereClientV2"), list)
    assert "finetuned_models" in node.list_finetuned(client="CohereClientV2")


@pytest.mark.parametrize("ending", ["/", "/v1"])
def test_a_base_url_may_end_in_a_slash_or_in_v1(sdk: Sdk, server: LiveServer, ending: str) -> None:
    assert sdk.list_models(base_url=server.url + ending)["models"]
    assert sdk.check_api_key(base_url=server.url + ending)["valid"] is True


def test_node_takes_base_url_too(node: Sdk, server: LiveServer) -> None:
    options = {"baseUrl": server.url, "environment": None}
    assert node.list_models(options=options)["models"]


def test_bases_are_listed_for_classify_only(sdk: Sdk) -> None:
    listed = sdk.list_models(page_size=1000, endpoint="classify")
    assert {"english", "english-small", "multilingual"} <= {model["name"] for model in listed["models"]}
    for model in listed["models"]:
        assert model["endpoints"] == ["classify"]
        assert isinstance(model["finetuned"], bool)
        assert model["is_deprecated"] is False
        assert model["context_length"] >= 64
    assert sdk.list_models(endpoint="chat")["models"] == []


def test_models_come_in_pages(sdk: Sdk) -> None:
    names: list[str] = []
    query: dict[str, Any] = {}
    while True:
        page = sdk.list_models(page_size=1, **query)
        assert len(page["models"]) == 1
        names.append(page["models"][0]["name"])
        if not page.get("next_page_token"):
            break
        query = {"page_token": page["next_page_token"]}
    everything = sdk.list_models(page_size=1000)
    assert not everything.get("next_page_token")
    assert sorted(names) == sorted(model["name"] for model in everything["models"])
    assert len(set(names)) == len(names) > 2


def test_one_model_by_name(sdk: Sdk) -> None:
    model = sdk.call("models.get", "english")
    assert model["name"] == "english"
    with pytest.raises(SdkError) as caught:
        sdk.call("models.get", "no/such model")
    assert caught.value.type == "NotFoundError"


def test_tokens_and_back(sdk: Sdk) -> None:
    name = next(model["name"] for model in sdk.list_models(page_size=1000)["models"] if model["default_endpoints"])
    answer = sdk.tokenize("the parcel has not arrived", name)
    assert len(answer["tokens"]) == len(answer["token_strings"]) > 2
    assert all(isinstance(token, int) for token in answer["tokens"])
    back = sdk.detokenize(answer["tokens"], name)
    assert back["text"].strip() == "the parcel has not arrived"


def test_python_tokenizes_through_the_api_when_there_is_no_tokenizer_to_fetch(
    python: Sdk, python_model: dict[str, Any]
) -> None:
    answer = python.call("tokenize", text="the parcel", model=f"{python_model['id']}-ft")
    assert answer["token_strings"]


@pytest.mark.parametrize("text", ["", "x" * 65_537])
def test_tokenize_refuses_texts_out_of_range(sdk: Sdk, text: str) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.tokenize(text, "english")
    assert caught.value.type == "BadRequestError"


def test_tokenize_with_an_unknown_model_is_not_found(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as tokenize:
        sdk.tokenize("x", "nothing")
    with pytest.raises(SdkError) as detokenize:
        sdk.detokenize([1], "nothing")
    assert (tokenize.value.type, detokenize.value.type) == ("NotFoundError", "NotFoundError")


def test_a_fine_tuned_model_is_listed_by_what_goes_into_model(sdk: Sdk, model: dict[str, Any]) -> None:
    name = f"{model['id']}-ft"
    listed = {one["name"]: one for one in sdk.list_models(page_size=1000)["models"]}
    assert listed[name]["finetuned"] is True
    assert sdk.call("models.get", name)["name"] == name
    assert sdk.call("models.get", model["id"])["name"] == name
