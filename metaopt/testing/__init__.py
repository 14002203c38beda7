"""The conformance kit: what every plugin must do, as checks that say what is wrong and on which line.

For the plugin's own tests:

    import metaopt.testing
    import pytest
    from mine import SPEC

    @pytest.mark.parametrize("check", metaopt.testing.checks_for(SPEC), ids=str)
    def test_conforms(check):
        check()

`metaopt check FILE.py` runs the same from a shell.
"""

from metaopt.testing.conformance import Check, Outcome, Report, check, checks_for
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.testing.location import Location

__all__ = [
    "Check",
    "ConformanceError",
    "Location",
    "NotApplicable",
    "Outcome",
    "Report",
    "check",
    "checks_for",
]
