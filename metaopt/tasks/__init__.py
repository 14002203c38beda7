"""Readers of tasks: registered corpora, folders of CSVs, Python modules, lists."""

from metaopt.tasks.source import load_corpus

__all__ = ["load_corpus"]
