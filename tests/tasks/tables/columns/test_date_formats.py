"""Dates, times of day and durations are known from numbers and labels."""

import pytest

from metaopt.tasks.tables.columns.date_formats import DATE, TIME


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29",
        "2024/2/9",
        "29.02.2024",
        "2/29/24",
        "29 Feb 2024",
        "Feb 29, 2024",
        "Thursday, 29 February 2024",
        "1. février 2024",
        "3. März 2024",
        "2024-02-29T13:05:59Z",
        "2024-02-29 13:05:59.123 +01:00",
        "Thu Feb 29 13:05:59 2024",
        "2024-W09-4",
        "20240229T130559Z",
        "2024年2月29日",
        "02/2024",
    ],
)
def test_dates_are_dates(text):
    assert DATE.fullmatch(text)
    assert not TIME.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    ["13:05", "1:05 pm", "13:05:59.5", "24:00", "100:30:00", "3 days, 12:00:00", "1h 30m", "2 hours 5 min", "PT1H30M"],
)
def test_times_and_durations_are_times(text):
    assert TIME.fullmatch(text)
    assert not DATE.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        "3.5",
        "2024",
        "2024-2025",
        "2024-13-01",
        "2024-02/29",
        "32.01.2024",
        "May",
        "marble 3",
        "25:00 o'clock",
        "5 m",
        "P",
        "",
    ],
)
def test_numbers_seasons_and_labels_are_neither(text):
    assert not DATE.fullmatch(text)
    assert not TIME.fullmatch(text)
