"""Pieces of HTML hold the text that they are given, escaped."""

from metaopt.report import html
from metaopt.report.tables import Table

TABLE = Table("Scores & more", ("name", "score"), (("recipe", "0.5"), ("a_b<c>", "-1")), note="0 is <bad>.")


def test_each_text_is_an_escaped_paragraph():
    assert html.paragraphs(["a < b", "c"]) == "<p>a &lt; b</p>\n<p>c</p>"
    assert html.paragraphs(["a"], "note") == '<p class="note">a</p>'


def test_a_table_escapes_what_people_named():
    page = html.table(TABLE)
    assert 'aria-label="Scores &amp; more"' in page
    assert "<td class='label'>a_<wbr>b&lt;c&gt;</td><td>-1</td>" in page
    assert page.endswith('<p class="note">0 is &lt;bad&gt;.</p>')


def test_leading_columns_are_labels_and_long_ones_may_wrap():
    long = "x" * 41
    page = html.table(Table("T", ("a", "b", "c"), ((long, "y", long),), num_labels=2))
    assert f"<td class='label long'>{long}</td><td class='label'>y</td><td>{long}</td>" in page
    assert page.count("<th scope='col' class='label'>") == 2


def test_one_row_stands_out():
    page = html.table(TABLE, emphasised="recipe")
    assert page.count("<tr class='recipe'>") == 1
    assert "<tr class='recipe'><td class='label'>recipe</td>" in page
    assert "class='recipe'" not in html.table(TABLE)


def test_facts_have_a_detail_where_there_is_one():
    assert html.facts({"worth": ("4", "trials & more"), "paid": ("no", "")}) == (
        '<dl class="facts"><div><dt>worth</dt><dd>4<small>trials &amp; more</small></dd></div>'
        "<div><dt>paid</dt><dd>no</dd></div></dl>"
    )


def test_a_figure_has_a_caption_where_there_is_one():
    assert html.figure("<svg/>") == "<figure><svg/></figure>"
    assert html.figure("<svg/>", "a < b") == "<figure><svg/><figcaption>a &lt; b</figcaption></figure>"


def test_a_list_of_nothing_is_nothing():
    assert html.bullets([], "caveats") == ""
    assert html.bullets(["a & b"], "caveats") == '<ul class="caveats"><li>a &amp; b</li></ul>'
