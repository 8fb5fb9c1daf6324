"""Contract section 5: train, watch, list, rename, delete."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.acceptance.sdk import tickets
from tests.acceptance.sdk.bridge import Sdk, SdkError
from tests.acceptance.sdk.checks import moment
from tests.acceptance.sdk.conftest import SINGLE, a_file, wait_for_dataset, wait_for_model
from tests.acceptance.sdk.server import LiveServer


def test_a_model_is_made_queued_with_what_was_asked(sdk: Sdk, dataset: dict[str, Any]) -> None:
    base = {"name": "embed-english-v3.0"}
    made = sdk.create_model("queued", dataset["id"], base_model=base, hyperparameters={"learning_rate": 0.01})
    try:
        assert str(UUID(made["id"])) == made["id"]
        assert made["name"] == "queued"
        assert made["status"] in ("STATUS_QUEUED", "STATUS_FINETUNING")
        assert isinstance(made["creator_id"], str)
        assert isinstance(made["organization_id"], str)
        assert moment(made["created_at"]) <= moment(made["updated_at"])
        assert made.get("completed_at") is None
        settings = made["settings"]
        assert settings["dataset_id"] == dataset["id"]
        assert settings["base_model"]["base_type"] == "BASE_TYPE_CLASSIFICATION"
        assert settings["hyperparameters"] == {"learning_rate": 0.01}
        assert settings["multi_label"] is False
    finally:
        assert sdk.call("finetuning.delete_finetuned_model", made["id"]) == {}
    for call in (sdk.get_model, sdk.list_events, sdk.list_steps):
        with pytest.raises(SdkError) as caught:
            call(made["id"])
        assert caught.value.type == "NotFoundError"


def test_a_ready_model_has_every_field(model: dict[str, Any]) -> None:
    assert moment(model["created_at"]) < moment(model["completed_at"]) <= moment(model["updated_at"])
    assert model["settings"]["hyperparameters"] == {"train_epochs": 3}
    assert model["settings"]["base_model"]["name"]
    assert model["settings"]["base_model"]["version"]


def test_a_model_with_several_labels_says_so(sdk: Sdk, multi_model: dict[str, Any]) -> None:
    assert sdk.get_model(multi_model["id"])["settings"]["multi_label"] is True


def test_ids_are_taken_with_the_suffix_too(sdk: Sdk, model: dict[str, Any]) -> None:
    assert sdk.get_model(f"{model['id']}-ft")["id"] == model["id"]
    assert sdk.list_events(f"{model['id']}-ft")["events"]


def test_events_tell_the_life_of_a_model(sdk: Sdk, model: dict[str, Any]) -> None:
    found = sdk.list_events(model["id"])
    statuses = [event["status"] for event in found["events"]]
    assert [one for one in statuses if one != "STATUS_DEPLOYING_API"] == [
        "STATUS_READY",
        "STATUS_FINETUNING",
        "STATUS_QUEUED",
    ]
    assert found["total_size"] == len(statuses)
    assert found["next_page_token"] == ""
    assert found["events"][-1]["user_id"] == model["creator_id"]
    assert not found["events"][0].get("user_id")
    times = [moment(event["created_at"]) for event in found["events"]]
    assert times == sorted(times, reverse=True)
    oldest_first = sdk.list_events(model["id"], order_by="created_at")["events"]
    assert [event["status"] for event in oldest_first] == statuses[::-1]


def test_events_come_in_pages(sdk: Sdk, model: dict[str, Any]) -> None:
    everything = sdk.list_events(model["id"])["events"]
    found: list[Any] = []
    query: dict[str, Any] = {}
    while True:
        page = sdk.list_events(model["id"], page_size=1, **query)
        found += page["events"]
        if page["next_page_token"] == "":
            break
        query = {"page_token": page["next_page_token"]}
    assert found == everything


def test_step_metrics_are_floats_highest_step_first(sdk: Sdk, model: dict[str, Any]) -> None:
    found = sdk.list_steps(model["id"])
    assert found["next_page_token"] == ""
    numbers = [step["step_number"] for step in found["step_metrics"]]
    assert numbers == sorted(set(numbers), reverse=True)
    assert numbers
    for step in found["step_metrics"]:
        moment(step["created_at"])
        assert {"accuracy", "precision", "recall", "f1", "cross_entropy"} <= set(step["metrics"])
        assert all(isinstance(value, int | float) for value in step["metrics"].values())
    assert found["step_metrics"][0]["metrics"]["accuracy"] > 0.5
    if len(numbers) > 1:
        first = sdk.list_steps(model["id"], page_size=1)
        second = sdk.list_steps(model["id"], page_size=1, page_token=first["next_page_token"])
        assert [page["step_metrics"][0]["step_number"] for page in (first, second)] == numbers[:2]


def test_models_are_listed_with_total_pages_and_order(
    sdk: Sdk, model: dict[str, Any], multi_model: dict[str, Any]
) -> None:
    everything = sdk.list_finetuned()
    ids = [one["id"] for one in everything["finetuned_models"]]
    assert {model["id"], multi_model["id"]} <= set(ids)
    assert everything["next_page_token"] == ""
    assert everything["total_size"] == len(ids)
    found: list[str] = []
    query: dict[str, Any] = {}
    while True:
        page = sdk.list_finetuned(page_size=1, order_by="created_at", **query)
        assert page["total_size"] == len(ids)
        found += [one["id"] for one in page["finetuned_models"]]
        if page["next_page_token"] == "":
            break
        query = {"page_token": page["next_page_token"]}
    times = {one["id"]: moment(one["created_at"]) for one in everything["finetuned_models"]}
    assert found == sorted(ids, key=times.__getitem__)
    latest_first = sdk.list_finetuned(order_by="created_at desc")["finetuned_models"]
    assert [one["id"] for one in latest_first] == found[::-1]


@pytest.mark.parametrize(
    "query", [{"order_by": "name"}, {"order_by": "created_at sideways"}, {"page_token": "nonsense"}]
)
def test_orders_and_page_tokens_that_do_not_exist_are_bad_requests(
    sdk: Sdk, model: dict[str, Any], query: dict[str, Any]
) -> None:
    for call in (sdk.list_finetuned, lambda **query: sdk.list_events(model["id"], **query)):
        with pytest.raises(SdkError) as caught:
            call(**query)
        assert caught.value.type == "BadRequestError"


def test_a_model_is_renamed_with_its_settings_sent_back(sdk: Sdk, model: dict[str, Any]) -> None:
    renamed = sdk.update_model(model["id"], "renamed", model["settings"])
    assert renamed["name"] == "renamed"
    assert renamed["settings"] == model["settings"]
    assert moment(renamed["updated_at"]) > moment(model["updated_at"])
    assert sdk.get_model(model["id"])["name"] == "renamed"
    sdk.update_model(model["id"], model["name"], model["settings"])


def test_python_5_may_send_a_status_along(connect: Any, multi_model: dict[str, Any]) -> None:
    sdk: Sdk = connect("python5")
    again = sdk.update_model(multi_model["id"], multi_model["name"], multi_model["settings"], status="STATUS_READY")
    assert again["status"] == "STATUS_READY"


def test_a_patch_with_the_name_alone_is_enough(server: LiveServer, multi_model: dict[str, Any]) -> None:
    path = f"/v1/finetuning/finetuned-models/{multi_model['id']}"
    answer = server.request("PATCH", path, {"name": multi_model["name"]})
    assert answer.status == 200
    assert answer.json["finetuned_model"]["name"] == multi_model["name"]


@pytest.mark.parametrize("change", [{"dataset_id": "other-123456"}, {"base_model": {"base_type": "BASE_TYPE_CHAT"}}])
def test_dataset_and_base_type_cannot_be_changed(sdk: Sdk, model: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.update_model(model["id"], "changed", model["settings"] | change)
    assert caught.value.type == "BadRequestError"
    assert sdk.get_model(model["id"])["name"] == model["name"]


def test_a_model_needs_a_dataset_that_exists(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_model("lost", "no-such-set-123456")
    assert caught.value.type == "NotFoundError"
    assert "no-such-set-123456" in caught.value.message


def test_a_model_needs_a_dataset_that_is_validated(sdk: Sdk) -> None:
    content = tickets.as_csv(tickets.single(3))
    dataset_id = sdk.create_dataset(a_file(sdk, "t.csv", content), name="too small", type=SINGLE)
    wait_for_dataset(sdk, dataset_id)
    with pytest.raises(SdkError) as caught:
        sdk.create_model("too small", dataset_id)
    assert caught.value.type == "BadRequestError"


@pytest.mark.parametrize("kind", ["GENERATIVE", "RERANK", "CHAT", "UNSPECIFIED"])
def test_only_classification_models_are_made(sdk: Sdk, dataset: dict[str, Any], kind: str) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_model("other", dataset["id"], base_model={"base_type": f"BASE_TYPE_{kind}"})
    assert caught.value.type == "BadRequestError"
    assert f"BASE_TYPE_{kind}" in caught.value.message


@pytest.mark.parametrize(
    "knobs", [{"train_epochs": 0}, {"train_batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": -1.0}]
)
def test_senseless_hyperparameters_are_bad_requests(sdk: Sdk, dataset: dict[str, Any], knobs: dict[str, Any]) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.create_model("senseless", dataset["id"], hyperparameters=knobs)
    assert caught.value.type == "BadRequestError"
    assert next(iter(knobs)) in caught.value.message


@pytest.mark.parametrize("id", [str(uuid4()), "not-a-uuid"])
def test_unknown_models_are_not_found(sdk: Sdk, id: str) -> None:
    for call in (sdk.get_model, sdk.list_events, sdk.list_steps):
        with pytest.raises(SdkError) as caught:
            call(id)
        assert (caught.value.type, caught.value.status) == ("NotFoundError", 404)
    with pytest.raises(SdkError) as caught:
        sdk.call("finetuning.delete_finetuned_model", id)
    assert caught.value.type == "NotFoundError"


def test_a_model_outlives_its_dataset_and_nothing_outlives_a_model(connect: Any) -> None:
    sdk: Sdk = connect("python7")
    content = tickets.as_csv(tickets.single(14))
    dataset_id = sdk.create_dataset(a_file(sdk, "t.csv", content), name="gone soon", type=SINGLE)
    wait_for_dataset(sdk, dataset_id)
    made = sdk.create_model("outlives", dataset_id)
    # The job keeps its own copy, queued or running.
    sdk.call("datasets.delete", dataset_id)
    assert wait_for_model(sdk, made["id"])["status"] == "STATUS_READY"
    assert sdk.classify(model=f"{made['id']}-ft", inputs=["the invoice"])["classifications"]
    sdk.call("finetuning.delete_finetuned_model", made["id"])
    for name in (made["id"], f"{made['id']}-ft"):
        with pytest.raises(SdkError) as caught:
            sdk.classify(model=name, inputs=["the invoice"])
        assert caught.value.type == "NotFoundError"
    assert made["id"] not in {one["id"] for one in sdk.list_finetuned()["finetuned_models"]}


def test_a_model_that_is_not_ready_does_not_classify_yet(connect: Any, some_dataset: dict[str, Any]) -> None:
    sdk: Sdk = connect("python7")
    # The second waits for the first: jobs run one after another.
    made = [sdk.create_model(f"not yet {number}", some_dataset["id"]) for number in range(2)]
    with pytest.raises(SdkError) as caught:
        sdk.classify(model=f"{made[1]['id']}-ft", inputs=["the invoice"])
    assert caught.value.type == "BadRequestError"
    assert f"{made[1]['id']}-ft" not in {one["name"] for one in sdk.list_models(page_size=1000)["models"]}
    for one in made[::-1]:
        sdk.call("finetuning.delete_finetuned_model", one["id"])
