"""The documentation builds without a warning, loads nothing from elsewhere and names all that is public."""

import importlib
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch

import metaopt
import metaopt.testing
from metaopt.plugin.registry import Registry

ROOT = Path(__file__).parents[2]
API = sorted((ROOT / "docs" / "api").glob("*.md"))
DOCUMENTED = re.compile(r"^::: (\S+)$", flags=re.MULTILINE)

#: What users meet without naming it: what `bind` returns, and the adapters, whose frameworks may be absent.
FURTHER = {
    "metaopt.deploy.run.Run",
    "metaopt.integrations.fastai.RecipeCallback",
    "metaopt.integrations.keras.RecipeCallback",
    "metaopt.integrations.lightning.RecipeCallback",
    "metaopt.integrations.skorch.RecipeCallback",
    "metaopt.integrations.tensorboard.TensorBoard",
    "metaopt.integrations.trainer_callback.RecipeCallback",
    "metaopt.integrations.transformers.RecipeTrainer",
}

#: What is written by its whole path, since a module of the same name would be meant otherwise.
WHOLE_PATHS = {
    "metaopt.contracts.per_tensor.per_tensor": "metaopt.per_tensor",
    "metaopt.contracts.scan.scan": "metaopt.scan",
    "metaopt.deploy.gradient_evidence.gradient_evidence": "metaopt.gradient_evidence",
    "metaopt.tracing.lazy_where.lazy_where": "metaopt.lazy_where",
}


def documented():
    """How many times the pages of the reference name each thing."""
    named = [name for page in API for name in DOCUMENTED.findall(page.read_text(encoding="utf-8"))]
    return Counter(WHOLE_PATHS.get(name, name) for name in named)


@pytest.mark.parametrize("package", ["metaopt", "metaopt.testing"])
def test_each_public_name_is_on_exactly_one_page(package):
    names = [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    times = documented()
    assert {name: times[name] for name in names if times[name] != 1} == {}


def test_the_reference_names_nothing_that_is_not_public():
    public = {f"metaopt.{name}" for name in metaopt.__all__}
    public |= {f"metaopt.testing.{name}" for name in metaopt.testing.__all__}
    assert set(documented()) - public == FURTHER


#: What loads by its attribute, and relations by which a `link` loads.
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("use", "href")}
LOADING = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "modulepreload"}


class Links(HTMLParser):
    """Where a page of the site leads to, what it loads, and what in it can be led to."""

    def __init__(self, page):
        super().__init__()
        self.leads, self.loads, self.anchors = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.leads.append(given["href"])
        self.loads += [given[key] for wanted, key in LOADED if tag == wanted and given.get(key)]
        if tag == "link" and LOADING & set(given.get("rel", "").split()):
            self.loads.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    folder = tmp_path_factory.mktemp("documentation") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    # A proxy that is not there: whoever wants something from the network fails.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return {page.resolve(): Links(page) for page in folder.rglob("*.html")}, folder.resolve()


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site):
    pages, folder = site
    assert {address for page in pages.values() for address in page.loads if urlsplit(address).netloc} == set()
    imported = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']+")
    assert [match for sheet in folder.rglob("*.css") for match in imported.findall(sheet.read_text())] == []


@pytest.mark.slow
def test_links_within_the_site_lead_somewhere(site):
    pages, folder = site
    broken = []
    for page, links in pages.items():
        for link in links.leads + links.loads:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            base = folder if page.name == "404.html" else page.parent
            target = (base / unquote(address.path).lstrip("/")).resolve() if address.path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (
                address.fragment and target in pages and unquote(address.fragment) not in pages[target].anchors
            ):
                broken.append((str(page.relative_to(folder)), link))
    assert broken == []


@pytest.mark.slow
def test_no_module_stands_in_the_place_of_a_public_name(site):
    _, folder = site
    assert [page.name for page in (folder / "api").glob("*.html") if "doc-symbol-module" in page.read_text()] == []


@pytest.mark.slow
def test_each_plugin_that_ships_has_a_page_with_its_hyperparameters_and_sources(site):
    _, folder = site
    offered = [entry.spec for entry in Registry.discover() if entry.source.distribution == "metaopt-torch"]
    shipped = [spec for spec in offered if not isinstance(spec, metaopt.DeferredOptimizer)]
    assert shipped
    for spec in shipped:
        page = (folder / "catalogue" / spec.kind / f"{spec.name}.html").read_text(encoding="utf-8")
        assert 'id="when-to-use-it"' in page, spec.name
        assert all(f"<td><code>{name}</code></td>" in page for name in spec.full_space), spec.name
        assert all(f'href="{reference}"' in page for reference in spec.references), spec.name


def test_the_line_that_a_plugins_page_shows_runs(monkeypatch):
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    catalogue = importlib.import_module("catalogue")
    made = []
    for spec in catalogue.built_in():
        line = catalogue.use_line(spec)
        model = torch.nn.Linear(2, 1)
        names = {"metaopt": metaopt, "model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}
        if "meta_train" in line or "theta=" in line or spec.name == "omniglot":  # weights and data that do not ship
            continue
        exec(line, names)
        made.append(spec.name)
    assert len(made) > 40


def test_a_plugins_page_says_what_it_keeps_of_a_parameter(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    memory = importlib.import_module("memory")
    specs = {entry.spec.name: entry.spec for entry in Registry.discover()}
    said = {name: " ".join(memory.memory_of(specs[name])) for name in ("adamw", "muon", "adafactor", "clip", "cosine")}
    assert "It keeps 8 bytes a number of a matrix and 8 bytes a number of a vector, in float32" in said["adamw"]
    assert "It keeps 4 bytes a number of a matrix, in float32" in said["muon"]
    assert "It keeps 0.0235 bytes a number of a matrix" in said["adafactor"]  # (512 + 256) / (512 · 256) · 4
    assert "It keeps nothing beside the state of the rule inside" in said["clip"]
    assert said["cosine"] == ""


def test_each_table_of_results_that_pages_show_is_there_and_names_a_plugin(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    measured = importlib.import_module("measured")
    plugins = [(entry.spec.kind, entry.spec.name) for entry in Registry.discover()]
    for table in measured.TABLES:
        text = (ROOT / measured.RESULTS / table.file).read_text(encoding="utf-8")
        assert any(table.rows(text, kind, name) for kind, name in plugins), table.file
    files = {file for files in measured.WHOLE_FILES.values() for file in files}
    assert [file for file in files if not (ROOT / measured.RESULTS / file).is_file()] == []
    assert set(measured.WHOLE_FILES) <= set(plugins)


def test_a_plugins_page_shows_the_lines_about_it_and_no_others(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    measured = importlib.import_module("measured")
    table = measured.Table("file.txt", "What it scored", r"rate\s+score", ("controller",), r"^{name} on ")
    command = "$ python script.py        (a remark)\n9 tasks\n"
    text = f"{command}   rate score\nwsd on adamw  0.1 0.8\nwsd_two on adamw 0.1 0.2\n"
    shown = ["$ python script.py", "9 tasks", "   rate score", "wsd on adamw  0.1 0.8"]
    assert table.rows(text, "controller", "wsd") == shown
    assert table.rows(text, "controller", "cosine") == []
    assert table.rows(text, "stopper", "wsd") == []
