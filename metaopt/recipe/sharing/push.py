"""Recipes pushed to the Hugging Face Hub: their two files and a card, in one commit."""

from typing import TYPE_CHECKING

from metaopt.plugin import Registry
from metaopt.recipe.saving import DOCUMENT, WEIGHTS
from metaopt.recipe.sharing.card import card_of
from metaopt.recipe.sharing.hub import Address, explained, library

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe


def pushed(recipe: "Recipe", text: str, registry: Registry, *, private: bool | None, token: str | None) -> str:
    """Commit a recipe; its repository is made where it is missing, and what it held of another recipe is replaced.

    Args:
        recipe: what is pushed.
        text: `"user/name"`, or `"user/name@branch"` for a branch that is there.
        registry: where to find its plugins.
        private: whether a new repository is for its owner alone; None for the owner's default.
        token: of the Hub; None for that of `hf auth login`, or of the environment.

    Returns:
        The address of the commit, `hf://user/name@…`.

    Raises:
        RecipeError: huggingface-hub is missing, the name is not valid, or the Hub refuses it.
    """
    address = Address.of(text)
    repository, revision = address
    files = {"README.md": card_of(recipe, repository, registry).encode(), DOCUMENT: recipe.text.encode()}
    if recipe.theta_bytes:
        files[WEIGHTS] = recipe.theta_bytes
    hub = library()
    api = hub.HfApi(token=token)
    with explained(address):
        if revision is None:
            api.create_repo(repository, private=private, exist_ok=True)
        changes = [hub.CommitOperationAdd(name, content) for name, content in files.items()]
        if WEIGHTS not in files and api.file_exists(repository, WEIGHTS, revision=revision):
            changes.append(hub.CommitOperationDelete(WEIGHTS))
        commit = api.create_commit(repository, changes, commit_message=recipe.name, revision=revision)
    return str(address._replace(revision=commit.oid))
