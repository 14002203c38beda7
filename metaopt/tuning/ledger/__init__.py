"""The stored result of every evaluation, and the database that holds it."""
