"""Recipes on the Hugging Face Hub: fetched by name, and what goes wrong there as one sentence.

Only a recipe's own two files are asked for, whatever else a repository holds, and neither is code. They are looked at
before they are fetched, so that nothing larger than a recipe ever is.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from metaopt.errors import RecipeError, first_line, quoted
from metaopt.files import is_file, read_json
from metaopt.recipe.saving import DOCUMENT, WEIGHTS

PREFIX = "hf://"
#: Most bytes of each file.
LARGEST = {DOCUMENT: 16 * 2**20, WEIGHTS: 2 * 2**30}

_PART = "[A-Za-z0-9][A-Za-z0-9._-]*"
_ADDRESS = re.compile(rf"(?P<repository>{_PART}/{_PART})(@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?")
#: Packages that carry requests, by version of huggingface-hub; their errors are no common kind.
_TRANSPORTS = frozenset({"httpcore", "httpx", "httpx2", "requests", "urllib3"})
_MEANT = re.compile(r"hf:/|https?:/+(www\.)?(huggingface\.co|hf\.co)/", re.IGNORECASE)
_TOKEN = re.compile(r"hf_\w+")


class Address(NamedTuple):
    """A repository on the Hub.

    Attributes:
        repository: `"user/name"`.
        revision: a branch, a tag or a commit; None for the newest.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def of(cls, text: str) -> "Address":
        """Read `"user/name"` or `"user/name@revision"`, with or without `hf://` before it.

        Raises:
            RecipeError: it is neither.
        """
        match = _ADDRESS.fullmatch(text.removeprefix(PREFIX)) if isinstance(text, str) else None
        if match is None or ".." in text:
            got = quoted(hidden(text) if isinstance(text, str) else text)
            raise RecipeError(f"A recipe on the Hub is written hf://user/name or hf://user/name@revision, got {got}.")
        return cls(match["repository"], match["revision"])

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + ("" if self.revision is None else f"@{self.revision}")


def is_on_hub(path: object) -> bool:
    """Whether somebody means a repository on the Hub, not a folder, however it is written."""
    return isinstance(path, str | os.PathLike) and _MEANT.match(os.fspath(path)) is not None


def fetched(text: str) -> Path:
    """The folder that holds a recipe's files, fetched from the Hub unless a copy of that revision is kept here.

    Raises:
        RecipeError: huggingface-hub is missing, or there is no such repository, revision or recipe, or no access to it,
            or a file is too large, or the Hub is out of reach and nothing is kept here.
    """
    address = Address.of(text)
    hub = library()
    with explained(address):
        document = _file(hub, address, DOCUMENT)
        # its neighbour of the same commit, whatever is pushed meanwhile
        pinned = address._replace(revision=document.parent.name)
        if _has_weights(document):
            _file(hub, pinned, WEIGHTS)
    return document.parent


def hidden(text: str) -> str:
    """The text without what may be a token of the Hub."""
    return _TOKEN.sub("hf_…", text)


def library() -> Any:
    """The module `huggingface_hub`.

    Raises:
        RecipeError: it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise RecipeError("Recipes on the Hub need huggingface-hub; pip install 'metaopt-torch[hub]'.") from error
    return huggingface_hub


def _file(hub: Any, address: Address, name: str) -> Path:
    """A file of the repository; one that is too large is not fetched."""
    repository, revision = address
    kept = hub.try_to_load_from_cache(repository, name, revision=revision)
    is_fixed = re.fullmatch("[0-9a-f]{40}", revision or "") is not None
    if is_fixed and isinstance(kept, str) and is_file(kept):
        return Path(kept)
    size = _size(hub, address, name)
    _check_size(address, name, size or 0)
    # whoever does not answer is not asked again: what is kept here was looked at when it came
    path = Path(hub.hf_hub_download(repository, name, revision=revision, local_files_only=size is None))
    _check_size(address, name, path.stat().st_size)
    return path


def _size(hub: Any, address: Address, name: str) -> int | None:
    """Bytes of a file as the Hub states them; None where it is out of reach."""
    try:
        return int(
            hub.get_hf_file_metadata(hub.hf_hub_url(address.repository, name, revision=address.revision)).size or 0
        )
    except hub.errors.HfHubHTTPError:
        raise
    except (hub.errors.OfflineModeIsEnabled, OSError):
        return None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _TRANSPORTS:
            return None
        raise


def _has_weights(document: Path) -> bool:
    """Whether a document names weights; one that cannot be read does not, and whoever reads it says what is wrong."""
    try:
        content = read_json(document)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("theta_sha256") is not None


def _check_size(address: Address, name: str, size: int) -> None:
    if size > LARGEST[name]:
        raise RecipeError(
            f"The file {name} of {address} has {size:,} bytes; it is not read, for a recipe's has at most "
            f"{LARGEST[name]:,}."
        )


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """What the Hub's library raises, as one sentence without a token."""
    from huggingface_hub import errors

    repository, revision = address
    try:
        yield
    except RecipeError:
        raise
    except errors.GatedRepoError as error:
        raise RecipeError(f"{address} is gated: ask its owner for access on its page, then try again.") from _bare(
            error
        )
    except errors.RepositoryNotFoundError as error:
        raise RecipeError(
            f"There is no repository {repository!r} on the Hub, or you have no access to it; check the name, or log in "
            "with `hf auth login`."
        ) from _bare(error)
    except errors.RevisionNotFoundError as error:
        raise RecipeError(f"The repository {repository!r} has no revision {hidden(revision or '')!r}.") from _bare(
            error
        )
    except errors.LocalEntryNotFoundError as error:
        raise RecipeError(
            f"The Hub is out of reach, and no copy of {address} is kept here; try again with a connection."
        ) from _bare(error)
    except errors.EntryNotFoundError as error:
        raise RecipeError(f"{address} is no recipe: it lacks {DOCUMENT}, or weights that it names.") from _bare(error)
    except Exception as error:
        fault = hidden(first_line(error))
        raise RecipeError(f"The Hub did not do what was asked for {address}: {fault}.") from _bare(error)


def _bare(error: BaseException) -> BaseException | None:
    """The error, unless its text holds a token."""
    return None if _TOKEN.search(f"{error}") else error
