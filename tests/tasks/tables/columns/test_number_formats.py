"""Numbers that are not plain ones are named."""

import pytest

from metaopt.tasks.tables.columns.number_formats import look_at


def share(*texts):
    return look_at(list(texts), [1] * len(texts))


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("percentages", ["37%", "37 %", "3.5%", "-3,5%", "+4%", "12‰", "%5"]),
        (
            "amounts of money",
            [
                "$4,815.46",
                "$5",
                "-$5",
                "$-5",
                "5 €",
                "5,00 €",
                "US$ 5",
                "CHF 5",
                "5 EUR",
                "£1,000",
                "($5)",
                "R$ 5",
                "₹5",
            ],
        ),
        ("amounts of money", ["1.234,56 EUR", "12 kr", "5 zł", "USD 1'000.50"]),
        ("dates", ["2021-01-31", "31.01.2021", "1/31/2021", "31-01-21", "2021/1/5", "Jan 5, 2021", "5 March 2021"]),
        ("dates", ["2021-01-31T12:30:00", "2021-01-31 12:30", "2021-01-31T12:30:00Z", "31.1.2021 9:05"]),
        ("times of day or durations", ["12:30", "12:30:59", "9:05 pm", "01:02:03.5"]),
        ("numbers with commas", ["3,14", "1,234", "1,234,567.89", "1.234,56", "-0,5", ",5"]),
        ("numbers with marks between thousands", ["1 234", "1'234", "1’234’567", "1.234.567", "1 234,5"]),
        ("numbers with their signs behind or in parentheses", ["5-", "(1,234)", "(12)", "1.5 -"]),
        ("numbers with signs or digits that are not ASCII", ["−5", "٣", "１２", "−1.5"]),
        ("numbers with units", [f"{number} kg" for number in range(10)]),
        ("numbers with units", [f"{number / 2}K" for number in range(10)]),
        ("numbers with points that may stand between thousands", ["950", "1.200", "1.300", "12.400"]),
        ("percentages", ["5％", "~5 %", "≈ 5%"]),
        (
            "amounts of money",
            ["$5k", "£1.5m", "0,5 Mio. €", "€ 3 Mrd.", "$5/month", "CHF 1'000.-", "5.-", "₹ 1,00,000"],
        ),
        ("amounts of money", ["SGD 5", "5 HKD", "0.5 BTC"]),
        ("dates", ["Mon, 5 Jan 2021", "Monday, January 5th, 2021", "1st March 2021", "5. Januar 2021", "07/2021"]),
        ("dates", ["5 janvier 2021", "5 de enero de 2021", "2 août 2021", "3 dicembre 2021", "2021年1月5日"]),
        ("dates", ["Sat Nov 28 22:30:35 2021", "05/Jan/2021:12:00:00 +0000", "20210110T120000Z", "2021-W05"]),
        ("dates", ["2021-01-31 12:30:00 PST", "2021-01-31T12:30:00 CEST"]),
        ("times of day or durations", ["100:05:00", "-5:30", "1 days 00:00:00", "2 days, 3:04:05", "1h 30m", "PT15M"]),
        ("numbers with commas", ["1,00,000", "12,34,567.5"]),
        ("numbers with marks between thousands", ["1_000", "1_000_000"]),
        ("numbers in quotation marks", ['"5"', "'1.5'", '="0123"', "'7"]),
        ("numbers with powers of ten", ["1.5x10^3", "2×10^-4", "3 · 10**2"]),
        ("numbers with spaces behind their signs", ["- 5", "+ 1.5"]),
        ("numbers with signs or digits that are not ASCII", ["१०.५", "１.５", "٣٫٥"]),
        ("numbers with units", [f"{number}.5 °C" for number in range(10)]),
        ("numbers with units", [f"{number},5 kg" for number in range(10)]),
        ("numbers with units", [f"{number} {'kM'[number % 2]}" for number in range(6)]),
    ],
)
def test_columns_of_such_numbers_are_known_by_name(name, texts):
    found = share(*texts)
    assert found.format == name
    assert found.is_foreign
    assert found.example in texts
    assert share(*texts, *map(str, range(20))).is_foreign


@pytest.mark.parametrize(
    "texts",
    [
        ["red", "green", "blue"],
        ["may", "march", "2 of May", "5-Jan"],
        [f"{row}{seat}" for row in range(1, 30) for seat in "ABCDEF"],
        ["0-10%", "10-20%", ">20%"],
        ["18+", "<18", "#5", "4x4", "5'11"],
        ["1/2", "2:1", "P", "PT", "day 5", "3 doors"],
        ["<=50K", ">50K"],
        ["1st", "2nd", "3rd"],
        ["0-10", "10-20", "20+"],
        ["A1", "B2", "3D", "4x4"],
        ["Market 12", "Mayer 22", "Janet 45", "decision 10"],
        ["2010-11", "2011-12"],
        ["1.2.3", "1.10.4"],
        ["100%", "none", "half", "a quarter"],
        ["+", "-"],
        ["10 kg", "20 kg"],
        ["1/2", "3/4"],
        ["192.168.0.1", "10.0.0.1"],
        ["", "x" * 5000, "1" * 5000, "1," * 5000, "(" * 5000, "$" * 5000],
    ],
)
def test_labels_are_labels(texts):
    assert not share(*texts).is_foreign


@pytest.mark.parametrize("mark", ["-", "--", ".", "*", "n/a", "none", "#DIV/0!", "—", "missing"])
def test_marks_among_numbers_stand_for_gaps(mark):
    assert look_at(["1", "2.5", mark], [1, 1, 98]).has_gap_marks
    assert not share("red", mark).has_gap_marks
    assert not share("1", "2").has_gap_marks
