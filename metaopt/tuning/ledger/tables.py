"""The tables of a ledger."""

import sqlalchemy as sa

from metaopt.tuning.ledger.rows import checksum_column

TABLES = sa.MetaData()
info = sa.Table(
    "metaopt_info",
    TABLES,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
evaluations = sa.Table(
    "metaopt_evaluations",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("configuration_key", sa.String(16), nullable=False),
    sa.Column("plugins", sa.String(256), nullable=False),
    sa.Column("task_fingerprint", sa.String(16), nullable=False, index=True),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("task", sa.String(256), nullable=False),
    sa.Column("family", sa.String(256), nullable=False),
    sa.Column("configuration", sa.Text, nullable=False),
    sa.Column("curve", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("finished_at", sa.String(32), nullable=False),
    sa.Column("extras", sa.Text, nullable=False),
    checksum_column(),
    sa.UniqueConstraint("configuration_key", "plugins", "task_fingerprint", "seed"),
)
proposals = sa.Table(
    "metaopt_proposals",
    TABLES,
    sa.Column("study", sa.String(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("configuration", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    checksum_column(),
)
outcomes = sa.Table(
    "metaopt_outcomes",
    TABLES,
    sa.Column("study", sa.String(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rungs", sa.Text, nullable=False),
    sa.Column("complete", sa.Integer, nullable=False),
    sa.Column("scores", sa.Text, nullable=False),
    checksum_column(),
)
studies = sa.Table(
    "metaopt_studies",
    TABLES,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("identity", sa.Text, nullable=False),
    checksum_column(),
)
calls = sa.Table(
    "metaopt_calls",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study", sa.String(256), nullable=False, index=True),
    sa.Column("arguments", sa.Text, nullable=False),
    checksum_column(),
)
shipments = sa.Table(
    "metaopt_shipments",
    TABLES,
    sa.Column("configuration_key", sa.String(16), primary_key=True),
    sa.Column("plugins", sa.String(256), primary_key=True),
    sa.Column("task_fingerprint", sa.String(16), primary_key=True, index=True),
    sa.Column("seed", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("corpus", sa.String(256), nullable=False),
    checksum_column(),
)
drivers = sa.Table(
    "metaopt_drivers",
    TABLES,
    sa.Column("study", sa.String(256), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("host", sa.String(256), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_start", sa.String(32), nullable=False),
    sa.Column("beats", sa.Integer, nullable=False),
)
