"""The plots of a report: each draws one thing on the axes that it is given."""
