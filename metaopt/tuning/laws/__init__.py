"""Laws of rates from sweeps on a ladder: tasks of one family at several sizes."""
