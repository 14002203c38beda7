"""Names of parameters without what wrappers put into them."""

#: What DataParallel, DDP and AveragedModel put into names; torch.compile; FSDP; activation checkpoints.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


def bare_name(name: str) -> str:
    """The name as it would be without wrappers around the model.

    Example:
        >>> bare_name("module._orig_mod.0.weight")
        '0.weight'
    """
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)
