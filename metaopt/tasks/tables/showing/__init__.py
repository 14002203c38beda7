"""What a folder of tables would be trained on, and what `corpus.toml` has to say for it."""
