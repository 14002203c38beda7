"""A folder of CSVs as a corpus."""

from pathlib import Path

import pytest

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.tables.csv_folder import load_csv_folder, table_task

TABULAR = Path(__file__).parents[3].parent / "shared" / "data" / "tabular"

ROWS = "".join(f"{index * 0.5},{index % 4},{'ab'[index % 2]}\n" for index in range(20))


def write(folder, **tables):
    for stem, text in tables.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return str(folder)


def test_each_file_is_a_task(tmp_path):
    source = write(tmp_path, second=f"x,y,target\n{ROWS}", first=f"x,y,target\n{ROWS}")
    (tmp_path / "README.md").write_text("not a table")
    corpus = metaopt.load_corpus(source)
    assert corpus.name == tmp_path.name
    assert [task.name for task in corpus] == ["first", "second"]


def test_a_path_is_as_good_as_its_text(tmp_path):
    write(tmp_path, only=f"x,y,target\n{ROWS}")
    assert metaopt.load_corpus(tmp_path).fingerprint == metaopt.load_corpus(str(tmp_path)).fingerprint


def test_a_toml_says_more(tmp_path):
    source = write(tmp_path, only="x,y,target\n" + ROWS.replace("a\n", "1\n").replace("b\n", "2\n"))
    (tmp_path / "corpus.toml").write_text('[only]\ntask = "regression"\nnum_steps = 9\nfamily = "mine"\n')
    task = metaopt.load_corpus(source)["only"]
    assert (task.family, task.num_steps, task.splits.train.targets.shape[1]) == ("mine", 9, 1)


def test_a_fault_names_file_row_and_column(tmp_path):
    source = write(tmp_path, broken=f"x,y,target\n{ROWS}7,1,\n")
    with pytest.raises(InputError, match=r"broken\.csv, column 'target': row 21 after the header has no target"):
        metaopt.load_corpus(source)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no \.csv or \.csv\.gz file; a corpus has one a task, or images or texts in folders of"
    ):
        metaopt.load_corpus(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent' does not exist; a corpus is a folder of CSV files"):
        metaopt.load_corpus(tmp_path / "absent")


def test_a_file_is_no_folder(tmp_path):
    write(tmp_path, only=f"x,y,target\n{ROWS}")
    with pytest.raises(InputError, match=r"only\.csv' is a file; a corpus is a folder of CSV files"):
        metaopt.load_corpus(str(tmp_path / "only.csv"))


def test_two_files_for_one_task_are_refused(tmp_path):
    source = write(tmp_path, only=f"x,y,target\n{ROWS}")
    (tmp_path / "only.csv.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"only\.csv and .*only\.csv\.gz are two files for one task; remove one\."):
        metaopt.load_corpus(source)


@pytest.mark.slow
@pytest.mark.skipif(not TABULAR.is_dir(), reason="the development data ../shared/data/tabular is absent")
def test_the_development_corpus_is_read_as_it_is():
    corpus = metaopt.load_corpus(TABULAR)
    kinds = {task.name: task.family for task in corpus}
    assert len(corpus) == 19
    assert kinds["letter"] == "tabular_classification"
    assert kinds["wine_quality_white"] == "tabular_regression"
    assert corpus["letter"].build(0)(corpus["letter"].splits.test.inputs[:2]).shape == (2, 26)
    assert len(corpus["adult"].splits.validation) == 2_000


@pytest.mark.slow
def test_the_notes_of_a_corpus_say_what_makes_scores_flatter(tmp_path):
    rows = [f"{index},{index % 5},{'ab'[index % 2]}" for index in range(60)]
    (tmp_path / "clean.csv").write_text("\n".join(["x,z,y", *rows]))
    (tmp_path / "twice.csv").write_text("\n".join(["x,z,y", *rows, *rows]))
    corpus = load_csv_folder(tmp_path)
    (note,) = corpus.notes
    assert note.startswith(f"warning: {tmp_path / 'twice.csv'}: rows that are training rows too")
    told = []
    choice = {"optimizers": ["adamw"], "controllers": ["constant"], "wrappers": [], "against": []}
    metaopt.tune(tmp_path, n_trials=1, announce=told.append, **choice)
    assert told.count(note) == 1
    told.clear()
    metaopt.evaluate(metaopt.Recipe.create(metaopt.Configuration("adamw")), tmp_path, against=[], announce=told.append)
    assert told.count(note) == 1


def test_one_file_is_a_task_with_what_lies_beside_it(tmp_path):
    write(tmp_path, one=f"x,y,target\n{ROWS}", two=f"x,y,target\n{ROWS}")
    (tmp_path / "corpus.toml").write_text("[two]\nnum_steps = 7\n")
    task = table_task(tmp_path / "two.csv")
    assert (task.name, task.num_steps) == ("two", 7)
    assert table_task(task) is task


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "does not exist; a table is a CSV, Parquet or Feather file"),
        ("", "holds 2 tables; name one of them, such as"),
        ("notes.txt", "is no table; tables end in"),
        ("book.xlsx", "is a workbook, which is not read"),
    ],
)
def test_what_is_no_single_table_is_refused(tmp_path, name, message):
    write(tmp_path, one=f"x,y,target\n{ROWS}", two=f"x,y,target\n{ROWS}")
    for other in ("notes.txt", "book.xlsx"):
        (tmp_path / other).write_text("x")
    with pytest.raises(InputError, match=message):
        table_task(tmp_path / name)


def test_a_data_frame_is_for_the_estimators():
    with pytest.raises(InputError, match=r"got int; for data frames and arrays there are metaopt\.RecipeClassifier"):
        table_task(7)


def test_what_a_folder_has_in_place_of_tables_is_said(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.heic").write_bytes(b"0")
    with pytest.raises(InputError, match=r"; it has files such as 'a/0\.heic'"):
        load_csv_folder(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mail.txt").write_text("ham\tso\n")
    with pytest.raises(InputError, match=r"if 'mail\.txt' holds a table, .* rename it 'mail\.csv'"):
        load_csv_folder(tmp_path / "b")
