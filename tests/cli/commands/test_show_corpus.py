"""`metaopt show` of corpora."""

import json

import metaopt
from metaopt.configuration import Configuration

TABLE = "key;price;target\n" + "".join(f"C{row:04};{row % 50},5 €;{'ab'[row % 2]}\n" for row in range(60))


def test_a_folder_of_tables_is_told_with_what_to_paste(run, tmp_path):
    (tmp_path / "shop.csv").write_text(TABLE)
    done = run("show", tmp_path)
    assert done.code == 0, done.err
    printed = " ".join(done.out.split())
    assert "price number (EUR), decimal comma" in printed
    assert "60 rows (semicolons, utf-8); classification of target: a 30 (50%), b 30 (50%). 1 inputs;" in printed
    assert "1 of 1 tables cannot be used as they are." in printed
    assert "column 'key' holds free text or identifiers" in printed
    assert '[shop] drop = ["key"]' in printed
    (tmp_path / "corpus.toml").write_text('[shop]\ndrop = ["key"]\n')
    assert "The table trains as it is." in run("show", tmp_path).out
    (tmp_path / "store.csv").write_text(TABLE)
    (tmp_path / "corpus.toml").write_text('[shop]\ndrop = ["key"]\n[store]\ndrop = ["key"]\n')
    assert "All 2 tables train as they are." in run("show", tmp_path).out


def test_json_is_json(run, tmp_path):
    (tmp_path / "shop.csv").write_text(TABLE)
    (table,) = json.loads(run("show", tmp_path, "--json").out)["tables"]
    assert table["settings"] == {"drop": ["key"]}


def test_many_columns_that_become_the_same_are_one_line(run, tmp_path):
    header = ",".join([*(f"gene_{place}" for place in range(20)), "t"])
    rows = "".join(",".join([*(f"{row + place}.5" for place in range(20)), str(row % 2)]) + "\n" for row in range(30))
    (tmp_path / "genes.csv").write_text(f"{header}\n{rows}")
    assert "gene_0 … gene_19 (20 columns) number" in " ".join(run("show", tmp_path).out.split())


def test_a_corpus_by_name_shows_its_tasks(run):
    printed = run("show", "starter").out
    assert "starter, " in printed
    facts = json.loads(run("show", "corpus:starter", "--json").out)
    assert {task["name"] for task in facts} == {task.name for task in metaopt.load_corpus("starter")}


def test_a_folder_is_what_lies_in_it(run, tmp_path):
    recipe = metaopt.Recipe.create(Configuration("adamw"))
    recipe.save(tmp_path / "mine")
    recipe.save(tmp_path / "out" / "recipe")
    (tmp_path / "mine" / "shop.csv").write_text(TABLE)
    (tmp_path / "out" / "evaluations.csv").write_text(TABLE)
    assert "optimizer adamw" in " ".join(run("show", tmp_path / "out").out.split())
    assert "optimizer adamw" in " ".join(run("show", tmp_path / "mine").out.split())
    assert "price" in run("show", f"corpus:{tmp_path / 'mine'}").out
    done = run("show", tmp_path / "mine", "--json")
    assert (done.code, "is a recipe; leave it out" in done.err) == (2, True)


def test_what_is_neither_is_told(run, tmp_path):
    done = run("show", tmp_path)
    assert done.code == 2
    assert "holds no .csv or .csv.gz file" in done.err


def test_images_and_texts_are_shown_with_what_to_know_of_them(run, media):
    done = run("show", media / "languages")
    assert done.code == 0, done.err
    printed = " ".join(done.out.split())
    assert "languages: 80 texts; classification of files: english 40 (50%), german 40 (50%)." in printed
    assert "a single token tells 'english' " in printed
    assert "digits: 120 images; classification of folders: 0 " in " ".join(run("show", media / "digits").out.split())
