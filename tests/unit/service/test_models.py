from pathlib import Path

import pytest

from fewfit.errors import InputError
from fewfit.service.errors import BusyError, ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.models.bases import Bases
from fewfit.service.models.hyperparameters import training_settings
from fewfit.service.records import Hyperparameters
from fewfit.settings import Settings
from fewfit.testing import write_toy_base
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import MULTI, Shop, a_caller, jsonl, multi_rows, single_rows, unlabelled

CONTRACT_METRICS = {"accuracy", "precision", "recall", "f1", "cross_entropy"}


def test_a_model_is_trained_measured_and_promoted(shop: Shop) -> None:
    model = shop.model(work=False)
    assert model.status == "queued"
    assert model.completed_at is None
    assert shop.service.models.progress(shop.admin, model.id) is None
    shop.work()
    model = shop.service.models.get(shop.admin, model.id + "-ft")
    assert model.status == "ready", model.error
    assert model.kind == "single"
    assert model.promoted_version == 1
    assert model.labels == ("account", "billing", "delivery")
    assert model.completed_at is not None
    assert model.created_at < model.completed_at <= model.updated_at
    events = shop.service.models.events(shop.admin, model.id)
    assert [(event.status, event.user_id) for event in events] == [
        ("ready", ""),
        ("finetuning", ""),
        ("queued", shop.admin.owner_id),
    ]
    steps = shop.service.models.step_metrics(shop.admin, model.id)
    assert [step.step_number for step in steps] == sorted((s.step_number for s in steps), reverse=True)
    assert steps.items[-1].step_number == 0
    assert all(set(step.metrics) >= CONTRACT_METRICS for step in steps)
    progress = shop.service.models.progress(shop.admin, model.id)
    assert progress is not None
    assert progress.step == progress.total_steps
    assert progress.losses


def test_the_report_is_on_the_evaluation_file_and_has_what_the_dashboard_shows(shop: Shop) -> None:
    held_out = [row | {"text": f"new {row['text']}"} for row in single_rows(9)]
    dataset = shop.dataset(jsonl(single_rows()), eval_content=jsonl(held_out))
    model = shop.service.models.create(shop.admin, name="router", dataset_id=dataset.id)
    shop.work()
    report = shop.service.models.report(shop.admin, model.id)
    version = shop.service.models.versions(shop.admin, model.id)[0]
    assert set(version.metrics) == set(version.base_metrics) == CONTRACT_METRICS
    assert report["labels"] == ["account", "billing", "delivery"]
    confusion = report["confusion"]
    assert isinstance(confusion, list)
    assert sum(map(sum, confusion)) == report["n_texts"] == 27
    reliability = report["reliability"]
    assert isinstance(reliability, list)
    assert sum(row["count"] for row in reliability) == report["n_texts"]
    assert isinstance(report["mistakes"], list)
    assert version.size_bytes > 0


def test_other_thresholds_leave_cross_validated_intervals_as_wide_as_they_were(open_shop: OpenShop) -> None:
    shop = open_shop(effort="balanced")
    model = shop.model(jsonl(multi_rows(36)), kind=MULTI)
    version = shop.service.thresholds.save(shop.admin, model.id, {"billing": 0.99})
    old, new = (shop.service.models.report(shop.admin, model.id, number) for number in (1, version.number))
    assert new["evaluated_on"] == "cross_validation"
    assert new["n_trained"] == old["n_trained"]
    # Confidences are the same, and so is how far to trust what they alone decide.
    before, after = old["intervals"], new["intervals"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["brier"] == pytest.approx(before["brier"], abs=1e-6)


def test_few_rows_are_all_trained_on_and_cross_validated(open_shop: OpenShop) -> None:
    shop = open_shop(effort="balanced")
    model = shop.model(jsonl(single_rows(12)))
    assert model.status == "ready", model.error
    report = shop.service.models.report(shop.admin, model.id)
    assert report["evaluated_on"] == "cross_validation"
    assert report["n_texts"] == 36
    assert report["n_trained"] == 18
    assert report["n_folds"] == 2
    curve, suspects = report["learning_curve"], report["suspects"]
    assert isinstance(curve, dict)
    assert curve["next"]["n_texts"] == 56
    assert isinstance(suspects, list)
    assert all(1 <= suspect["row"] <= 36 for suspect in suspects)
    assert report["intervals"]
    steps = shop.service.models.step_metrics(shop.admin, model.id)
    assert steps.items[-1].step_number == 0
    assert set(steps.items[0].metrics) >= CONTRACT_METRICS


def test_many_rows_have_a_part_held_out(open_shop: OpenShop) -> None:
    shop = open_shop(effort="balanced", min_holdout_examples=36)
    model = shop.model(jsonl(single_rows(12)))
    report = shop.service.models.report(shop.admin, model.id)
    assert report["evaluated_on"] == "held_out"
    assert report["n_texts"] == 6


def test_a_multilabel_model_follows_its_dataset(shop: Shop) -> None:
    model = shop.model(jsonl(multi_rows(60)), kind=MULTI)
    assert model.kind == "multi"
    assert model.status == "ready", model.error
    report = shop.service.models.report(shop.admin, model.id)
    assert report["confusion"] is None
    assert isinstance(report["thresholds"], list)


def test_only_a_validated_dataset_can_be_trained_on(shop: Shop) -> None:
    models = shop.service.models
    with pytest.raises(NotFoundError, match="dataset"):
        models.create(shop.admin, name="m", dataset_id="none-123456")
    waiting = shop.dataset(jsonl(single_rows()), work=False)
    with pytest.raises(InputError, match="being validated"):
        models.create(shop.admin, name="m", dataset_id=waiting.id)
    failed = shop.dataset(jsonl(single_rows()[:4]))
    with pytest.raises(InputError, match="failed validation"):
        models.create(shop.admin, name="m", dataset_id=failed.id)
    assert len(models.list(shop.admin)) == 0


@pytest.mark.parametrize(
    "values",
    [
        Hyperparameters(train_epochs=0),
        Hyperparameters(learning_rate=0.0),
        Hyperparameters(learning_rate=-1.0),
        Hyperparameters(learning_rate=float("nan")),
        Hyperparameters(train_batch_size=0),
        Hyperparameters(early_stopping_threshold=float("inf")),
    ],
)
def test_senseless_hyperparameters_are_refused(shop: Shop, values: Hyperparameters) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    with pytest.raises(InputError, match="expected"):
        shop.service.models.create(shop.admin, name="m", dataset_id=dataset.id, hyperparameters=values)


def test_hyperparameters_are_given_back_as_sent_and_used_within_reason(shop: Shop) -> None:
    values = Hyperparameters(train_epochs=1, learning_rate=0.01, lora_rank=8)
    model = shop.model(hyperparameters=values)
    assert model.hyperparameters == values
    assert model.status == "ready"
    warnings = " ".join(shop.service.models.versions(shop.admin, model.id)[0].warnings)
    assert "learning_rate is 0.01; 0.001 was used" in warnings
    assert "lora_rank has no effect" in warnings


def test_hyperparameters_within_bounds_are_taken_as_they_are() -> None:
    values = Hyperparameters(train_epochs=20, learning_rate=3e-4, train_batch_size=16)
    settings, warnings = training_settings(values, effort="balanced", n_texts=40)
    assert settings is not None
    assert (settings.steps, settings.learning_rate, settings.batch_size) == (60, 3e-4, 16)
    assert warnings == []
    assert training_settings(Hyperparameters(), effort="quick", n_texts=40) == (None, [])


def test_lists_are_paged_in_both_directions(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    ids = [shop.service.models.create(shop.admin, name=f"m{n}", dataset_id=dataset.id).id for n in range(5)]

    def walk(order_by: str) -> list[str]:
        found, token = [], ""
        while True:
            page = shop.service.models.list(shop.admin, page_size=2, page_token=token, order_by=order_by)
            assert page.total_size == 5
            found += [model.id for model in page]
            token = page.next_page_token
            if not token:
                return found

    assert walk("") == walk("created_at desc") == ids[::-1]
    assert walk("created_at") == ids


def test_events_and_steps_are_paged(shop: Shop) -> None:
    model = shop.model()
    models = shop.service.models
    first = models.events(shop.admin, model.id, page_size=2)
    rest = models.events(shop.admin, model.id, page_size=2, page_token=first.next_page_token)
    assert [event.status for event in (*first, *rest)] == ["ready", "finetuning", "queued"]
    assert rest.next_page_token == ""
    assert first.total_size == 3
    oldest = models.events(shop.admin, model.id, order_by="created_at")
    assert [event.status for event in oldest] == ["queued", "finetuning", "ready"]
    step = models.step_metrics(shop.admin, model.id, page_size=1)
    more = models.step_metrics(shop.admin, model.id, page_size=1, page_token=step.next_page_token)
    assert step.items[0].step_number > more.items[0].step_number


@pytest.mark.parametrize(
    "token", ["x", "W10", "!!!", "é", "WyJhXHUwMDAwIiwgImIiXQ", "bnVsbA", "W3siYSI6MX1d", "[" * 99]
)
def test_a_token_that_was_never_given_out_is_refused(shop: Shop, token: str) -> None:
    with pytest.raises(InputError, match="page_token"):
        shop.service.models.list(shop.admin, page_token=token)


@pytest.mark.parametrize("order_by", ["name", "created_at up", "created_at desc desc"])
def test_an_unknown_order_is_refused(shop: Shop, order_by: str) -> None:
    with pytest.raises(InputError, match="order_by"):
        shop.service.models.list(shop.admin, order_by=order_by)
    with pytest.raises(InputError, match="page_size"):
        shop.service.models.list(shop.admin, page_size=-1)


def test_versions_are_compared_promoted_and_rolled_back(shop: Shop) -> None:
    models = shop.service.models
    model = shop.model()
    with pytest.raises(InputError, match="before"):
        models.rollback(shop.admin, model.id)
    waiting = models.retrain(shop.admin, model.id)
    assert (waiting.number, waiting.status, waiting.promoted) == (2, "queued", False)
    assert models.get(shop.admin, model.id).status == "ready"
    with pytest.raises(NotReadyError):
        models.promote(shop.admin, model.id, 2)
    shop.work()
    assert [(v.number, v.promoted) for v in models.versions(shop.admin, model.id)] == [(2, False), (1, True)]
    assert models.promote(shop.admin, model.id, 2).promoted_version == 2
    assert models.rollback(shop.admin, model.id).promoted_version == 1
    assert models.rollback(shop.admin, model.id).promoted_version == 2
    with pytest.raises(NotFoundError, match="version 9"):
        models.promote(shop.admin, model.id, 9)


def test_retraining_uses_other_data_and_can_promote_itself(shop: Shop) -> None:
    model = shop.model()
    other = shop.dataset(jsonl(single_rows(20)), name="more")
    version = shop.service.models.retrain(shop.admin, model.id, dataset_id=other.id, promote=True)
    assert version.dataset_id == other.id
    shop.work()
    found = shop.service.models.get(shop.admin, model.id)
    assert (found.promoted_version, found.dataset_id) == (2, other.id)
    several = shop.dataset(jsonl(multi_rows()), kind=MULTI)
    with pytest.raises(InputError, match="single-label"):
        shop.service.models.retrain(shop.admin, model.id, dataset_id=several.id)


def test_a_job_keeps_its_copy_of_a_deleted_dataset(shop: Shop) -> None:
    model = shop.model(work=False)
    shop.service.datasets.delete(shop.admin, model.dataset_id)
    shop.work()
    assert shop.service.models.get(shop.admin, model.id).status == "ready"
    with pytest.raises(NotFoundError):
        shop.service.models.retrain(shop.admin, model.id)


def test_renaming(shop: Shop) -> None:
    model = shop.model(work=False)
    assert shop.service.models.rename(shop.admin, model.id, " new name ").name == "new name"
    with pytest.raises(InputError, match="empty"):
        shop.service.models.rename(shop.admin, model.id, "")


def test_deleting_reaches_everything(shop: Shop) -> None:
    model = shop.model()
    shop.service.classify(shop.admin, ["parcel"], model=model.id)
    shop.service.models.retrain(shop.admin, model.id)
    shop.service.models.delete(shop.admin, model.id)
    shop.service.datasets.delete(shop.admin, model.dataset_id)
    for ask in (shop.service.models.get, shop.service.models.events, shop.service.models.delete):
        with pytest.raises(NotFoundError):
            ask(shop.admin, model.id)
    with pytest.raises(NotFoundError):
        shop.service.classify(shop.admin, ["parcel"], model=model.id)
    shop.work()
    left = [path for path in shop.service.settings.data.rglob("*") if path.is_file() and "fewfit.db" not in path.name]
    assert {path.name for path in left} <= {"migration.lock"}
    assert {job.state for job in shop.service.jobs.list(shop.admin, kind="train")} == {"succeeded", "cancelled"}


def test_another_organisation_sees_nothing(shop: Shop) -> None:
    model = shop.model(work=False)
    stranger = a_caller(organization_id="elsewhere")
    models = shop.service.models
    assert len(models.list(stranger)) == models.list(stranger).total_size == 0
    for ask in (models.get, models.events, models.step_metrics, models.progress, models.report, models.versions):
        with pytest.raises(NotFoundError):
            ask(stranger, model.id)
    for change in (models.delete, models.retrain, models.rollback):
        with pytest.raises(NotFoundError):
            change(stranger, model.id)
    with pytest.raises(NotFoundError):
        models.rename(stranger, model.id, "mine")
    with pytest.raises(NotFoundError):
        models.promote(stranger, model.id, 1)
    with pytest.raises(NotFoundError):
        models.create(stranger, name="m", dataset_id=model.dataset_id)
    with pytest.raises(NotFoundError):
        shop.service.classify(stranger, ["x"], model=model.id)
    assert not shop.service.is_model(stranger, model.id)
    assert shop.service.is_model(shop.admin, model.id + "-ft")


@pytest.mark.parametrize("model_id", ["nothing", "", "a\0b", "../x", "0" * 32 + "x", "{" + "0" * 32])
def test_unknown_ids_are_not_found(shop: Shop, model_id: str) -> None:
    with pytest.raises(NotFoundError):
        shop.service.models.get(shop.admin, model_id)


def test_scopes_are_checked(shop: Shop) -> None:
    model = shop.model(work=False)
    reader = a_caller("read")
    assert shop.service.models.get(reader, model.id).id == model.id
    for change in (shop.service.models.delete, shop.service.models.retrain, shop.service.models.rollback):
        with pytest.raises(ForbiddenError):
            change(reader, model.id)
    with pytest.raises(ForbiddenError):
        shop.service.models.list(a_caller("classify"))


def test_what_cannot_be_queued_is_not_made(open_shop: OpenShop) -> None:
    shop = open_shop(max_queued_jobs=1)
    dataset = shop.dataset(jsonl(single_rows()))
    shop.service.models.create(shop.admin, name="one", dataset_id=dataset.id)
    with pytest.raises(BusyError):
        shop.service.models.create(shop.admin, name="two", dataset_id=dataset.id)
    assert shop.service.models.list(shop.admin).total_size == 1


def test_names_of_bases_lead_to_one_that_is_here(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    models = shop.service.models
    default = shop.service.settings.default_base

    def base(name: str) -> str:
        return models.create(shop.admin, name="m", dataset_id=dataset.id, base_name=name).base

    assert base("english-small") == "english-small"
    assert [base(name) for name in ("", "embed-english-v3.0", "small", "/etc/passwd", "default")] == [default] * 5
    assert models.bases()[0].name == "small"


def test_a_training_that_waits_can_be_cancelled(shop: Shop) -> None:
    model = shop.model(work=False)
    shop.work()
    shop.service.models.retrain(shop.admin, model.id)
    stopped = shop.service.models.cancel(shop.admin, model.id)
    assert (stopped.number, stopped.status, stopped.error) == (2, "failed", "Cancelled.")
    shop.work()
    first, second = reversed(shop.service.models.versions(shop.admin, model.id))
    assert (first.status, second.status) == ("ready", "failed")
    assert shop.service.models.get(shop.admin, model.id).status == "ready", "the one before still answers"
    with pytest.raises(InputError, match="nothing to cancel"):
        shop.service.models.cancel(shop.admin, model.id)
    with pytest.raises(NotFoundError):
        shop.service.models.cancel(a_caller(organization_id="other"), model.id)
    with pytest.raises(ForbiddenError):
        shop.service.models.cancel(a_caller("read"), model.id)


def test_a_training_has_an_effort_of_its_own(shop: Shop) -> None:
    model = shop.model(hyperparameters=Hyperparameters(effort="balanced"))
    assert model.status == "ready", model.error
    assert model.hyperparameters.effort == "balanced"
    # 48 rows: quick, the server's setting here, would hold some out; balanced cross-validates.
    assert shop.service.models.report(shop.admin, model.id)["evaluated_on"] == "cross_validation"
    with pytest.raises(InputError, match="quick, balanced, thorough"):
        shop.service.models.create(
            shop.admin, name="x", dataset_id=model.dataset_id, hyperparameters=Hyperparameters(effort="heroic")
        )


def test_a_model_in_a_list_has_its_main_figures(shop: Shop) -> None:
    model = shop.model()
    (listed,) = shop.service.models.list(shop.admin)
    assert listed == model
    assert set(listed.metrics) >= {"accuracy", "f1"}
    assert set(listed.base_metrics) >= {"accuracy", "f1"}


def test_unlabelled_texts_are_learnt_from_and_stay_for_the_next_training(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    models = shop.service.models
    model = models.create(shop.admin, name="router", dataset_id=dataset.id, unlabelled=unlabelled(200))
    shop.work()
    (first,) = models.versions(shop.admin, model.id)
    assert first.status == "ready", first.error
    learnt = models.report(shop.admin, model.id)["unlabelled"]
    assert isinstance(learnt, dict)
    assert learnt["n_unlabelled"] > 100
    again = models.retrain(shop.admin, model.id)
    without = models.retrain(shop.admin, model.id, unlabelled=[])
    shop.work()
    assert models.report(shop.admin, model.id, again.number)["unlabelled"] == learnt
    assert "unlabelled" not in models.report(shop.admin, model.id, without.number)
    still_without = models.retrain(shop.admin, model.id)
    others = models.retrain(shop.admin, model.id, unlabelled=unlabelled(50))
    shop.work()
    assert "unlabelled" not in models.report(shop.admin, model.id, still_without.number)
    assert models.report(shop.admin, model.id, others.number)["unlabelled"] != learnt


def test_senseless_unlabelled_texts_are_refused_and_nothing_is_made(shop: Shop) -> None:
    dataset, several = shop.dataset(jsonl(single_rows())), shop.dataset(jsonl(multi_rows()), kind=MULTI)
    before = len(shop.service.models.list(shop.admin))
    for texts, message in (
        (["where is it", " "], r"unlabelled_texts\[1\] is empty"),
        (["where is it", "\ud800"], "Unicode"),
        (["a"] * 50_001, "50,000 texts at most"),
    ):
        with pytest.raises(InputError, match=message):
            shop.service.models.create(shop.admin, name="router", dataset_id=dataset.id, unlabelled=texts)
    with pytest.raises(InputError, match="single-label models only"):
        shop.service.models.create(shop.admin, name="router", dataset_id=several.id, unlabelled=["where is it"])
    assert len(shop.service.models.list(shop.admin)) == before


@pytest.mark.parametrize("default", ["english-small", "multilingual", "/srv/bases/own"])
def test_one_base_is_called_the_default_and_it_is_that_of_the_server(tmp_path: Path, default: str) -> None:
    first, *others = Bases(Settings(data=tmp_path, default_base=default)).infos()
    assert first.name == Path(default).name
    assert "the default" in first.summary
    assert not [one.name for one in others if "default" in one.summary]


def test_a_base_reads_as_many_tokens_as_it_can_or_as_the_server_is_told_to(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "own", layers=1, max_tokens=48)
    for max_length, lengths in ((0, [48, 384]), (30, [30, 30])):
        settings = Settings(data=tmp_path, default_base=str(folder), max_length=max_length)
        found = {info.name: info.context_length for info in Bases(settings).infos()}
        assert [found["own"], found["english"]] == lengths
