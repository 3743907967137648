"""What all tests share: no network, a cache that is thrown away, and small populations."""

import os
import shutil
import tempfile

os.environ["OMP_NUM_THREADS"] = "1"  # several tests at once share the cores
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # some tests start processes
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="fact-learning-tests-")
os.environ["HF_HUB_CACHE"] = os.path.join(os.environ["HF_HOME"], "hub")
os.environ["HF_DATASETS_CACHE"] = os.path.join(os.environ["HF_HOME"], "datasets")
os.environ["TRACKIO_DIR"] = os.path.join(os.environ["HF_HOME"], "trackio")  # it is read once
os.environ["HF_MODULES_CACHE"] = os.path.join(os.environ["HF_HOME"], "modules")

import pytest
from hypothesis import settings

from data_builder.schedules import Plan, Uniform
from data_builder.sentences import TEMPLATES_DIR
from data_builder.source import Source
from data_builder.stream import BiographyStream
from data_builder.tokenizer import train_tokenizer
from data_builder.world import VALUES_DIR
from settings.data import DataSettings
from tests.helpers.finetuning import trained  # noqa: F401  fixtures for all tests
from tests.helpers.hub_toys import hub  # noqa: F401
from tests.helpers.pretraining import finished  # noqa: F401

settings.register_profile("light", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("light")


@pytest.fixture(scope="session", autouse=True)
def _remove_cache():
    yield
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def source():
    """A small world: 12 entries of each list."""
    return Source.build(DataSettings(n_individuals=60, n_unseen=20, n_new=20, entries_per_list=12))


@pytest.fixture(scope="session")
def full_source():
    """Few people, but every bundled name and value may occur."""
    return Source.build(DataSettings(n_individuals=200, n_unseen=50, n_new=50))


@pytest.fixture(scope="session")
def tokenizer(source):
    return train_tokenizer(source.pieces())


@pytest.fixture(scope="session")
def full_tokenizer(full_source):
    return train_tokenizer(full_source.pieces())


@pytest.fixture(scope="session")
def stream(source, tokenizer):
    """Seen people of the small world, uniformly."""
    return BiographyStream(source, tokenizer, Uniform(Plan(source.population.groups["seen"])), seed=0)


@pytest.fixture
def own_texts(tmp_path):
    """Copies of the bundled word lists and templates, as settings."""
    shutil.copytree(VALUES_DIR, tmp_path / "values")
    shutil.copytree(TEMPLATES_DIR, tmp_path / "templates")
    return {"values_dir": str(tmp_path / "values"), "templates_dir": str(tmp_path / "templates")}
