"""URLs of storages and messages about them, without passwords and other secrets."""

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, unquote_plus

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

HIDDEN = "***"
#: Of a URL's options only these are shown: under any other name, misspelt ones included, there may be a password.
_HARMLESS = frozenset(
    (
        "application_name",
        "cache",
        "charset",
        "check_same_thread",
        "connect_timeout",
        "dbname",
        "host",
        "mode",
        "port",
        "service",
        "sslmode",
        "timeout",
        "uri",
        "user",
        "username",
    )
)
#: The options of a SQLite file that may hold one; the file's own name may look like any option.
_KEYS = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)
#: `name=value` in the options of a URL, or in a connection string with spaces between.
_OPTION = re.compile(r"(?P<name>[\w.%-]+)\s*=\s*(?P<secret>'[^']*'|\"[^\"]*\"|[^&;\s]*)")
#: `user:password@`, from the first colon that no `//` follows to the last `@`.
_USERINFO = re.compile(r"^.*?:(?!//)(?P<secret>.+)(?=@)", re.DOTALL)
#: Where no `@` follows: what stands in the place of a port and is no number.
_NO_PORT = re.compile(r"^(?!sqlite)[^:]*:(?://[^:/?]*:)?(?!//|\d+(?:[/?]|$))(?P<secret>[^?]+)")


def shown(url: object) -> str:
    """The URL as an error may quote it: without passwords, also where it cannot be parsed; cut at 200 characters."""
    text = _text(url)
    for begin, end in reversed(_secret_places(text)):
        text = f"{text[:begin]}{HIDDEN}{text[end:]}"
    return repr(text) if len(text) <= 200 else f"{text[:200]!r}…"


def without_secrets(message: str, url: object) -> str:
    """A message about a storage without the secrets of its URL, however they are written there."""
    text = _text(url)
    secrets = {text[begin:end] for begin, end in _secret_places(text)}
    # A sign that should have been escaped divides a password, and a driver then takes a part of it for something else.
    parts = {part for secret in secrets for part in re.split("[@/?#:&]", secret) if len(part) > 2}
    spellings = {form for secret in secrets | parts for form in (secret, unquote(secret), unquote_plus(secret))}
    spellings |= {form for spelling in spellings for form in (quote(spelling), repr(spelling)[1:-1])}
    for spelling in sorted(spellings, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", HIDDEN, message)
    return message


def hide_secrets(error: BaseException, url: object) -> None:
    """Take the secrets of a storage's URL out of an error and of all that it comes from: tracebacks print these too."""
    for link in _chain(error):
        link.args = tuple(without_secrets(part, url) if isinstance(part, str) else part for part in link.args)


def _text(url: object) -> str:
    return url.render_as_string(hide_password=False) if isinstance(url, sa.URL) else str(url)


def _secret_places(text: str) -> list[tuple[int, int]]:
    """Where in a URL stands what may not be shown, from left to right, none inside another."""
    options = list(_OPTION.finditer(text, text.find("?") + 1))
    if _is_file(text):
        return [match.span("secret") for match in options if _KEYS.search(match["name"])]
    address = text.partition("?")[0]
    userinfo = _USERINFO.search(text if "@" in text[len(address) :] else address) or _NO_PORT.search(address)
    end = 0 if userinfo is None else userinfo.end("secret")
    hidden = [option.span("secret") for option in options if option.start() >= end and not _is_harmless(option["name"])]
    places = hidden if userinfo is None else [userinfo.span("secret"), *hidden]
    return [(begin, end) for begin, end in places if begin < end]


def _is_harmless(name: str) -> bool:
    return unquote(name).lower() in _HARMLESS


def _is_file(text: str) -> bool:
    """Whether it is the URL of a SQLite file, whose name may have colons and signs of any kind."""
    try:
        parsed = sa.make_url(text)
    except (SQLAlchemyError, ValueError):
        return False
    return parsed.get_backend_name() == "sqlite" and parsed.host is None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it comes from, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [
            other
            for other in (link.__cause__, link.__context__, getattr(link, "orig", None), *link.args)
            if isinstance(other, BaseException)
        ]
