"""Several processes that train one model: they tell one another a few numbers, and decide by the same ones."""
