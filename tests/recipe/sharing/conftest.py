"""A Hub on this machine, which huggingface_hub takes for its own."""

import importlib.util
from pathlib import Path

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface-hub is not installed")
spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).with_name("hub_server.py"))
hub_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub_server)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty Hub; what is fetched is kept in a folder of this test, and nobody is logged in."""
    server = hub_server.Hub()
    constants = importlib.import_module("huggingface_hub.constants")
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


@pytest.fixture
def login(tmp_path):
    """A token lies where `hf auth login` puts it."""
    (tmp_path / "token").write_text("hf_secretsecretsecret")
    return "hf_secretsecretsecret"
