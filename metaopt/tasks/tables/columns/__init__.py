"""Columns of tables: what their cells say, and which inputs they become."""
