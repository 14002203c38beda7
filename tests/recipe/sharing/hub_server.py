"""A server that speaks what huggingface_hub asks of a Hub to fetch and push recipes, and notes each request."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """Commits, the newest last, each all files by name; and the token without which nobody sees it."""

    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    token: str | None = None

    def commit(self, files):
        oid = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits.append((oid, dict(files)))
        return oid

    def at(self, revision):
        if revision == "main" and self.commits:
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)


class Hub(ThreadingHTTPServer):
    """On a free port of this machine, until it is closed."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.stated_size: int | None = None
        self.failing = self.gone = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name, files, token=None):
        self.repositories[name] = Repository(token=token)
        return self.repositories[name].commit(files)

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._route()

    def do_GET(self):
        self._route()

    def do_POST(self):
        self._route()

    def log_message(self, *args):
        pass

    def _route(self):
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.gone:
            self.close_connection = True
            return None
        if self.server.failing:
            return self._answer(500, b"", {})
        for pattern, method in (
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._validate),
            (r"/api/models/([^/]+/[^/]+)/preupload/(.+)", self._preupload),
            (r"/api/models/([^/]+/[^/]+)/commit/(.+)", self._commit),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                return method(*match.groups())
        return self._json(501, {"error": f"not spoken here: {path}"})

    def _create(self):
        asked = json.loads(self.body)
        name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
        if self._token() is None:
            return self._json(401, {"error": "Invalid username or password."})
        if name in self.server.repositories:
            return self._json(409, {"error": "You already created this model repo", "url": f"{self.server.url}/{name}"})
        self.server.repositories[name] = Repository(
            token=self._token() if "private" in (asked.get("private") and "private", asked.get("visibility")) else None
        )
        self.server.repositories[name].commit({".gitattributes": b""})
        return self._json(200, {"url": f"{self.server.url}/{name}", "name": name, "id": name})

    def _validate(self):
        return self._json(200, {"errors": [], "warnings": []})

    def _preupload(self, name, revision):
        files = [
            {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
            for file in json.loads(self.body)["files"]
        ]
        return self._json(200, {"files": files})

    def _commit(self, name, revision):
        repository = self._repository(name)
        if repository is None:
            return None
        if self._token() is None:
            return self._json(403, {"error": "Forbidden: you need a token with write access"})
        if repository.at(revision) is None:
            return self._json(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        files = dict(repository.at(revision)[1])
        for line in self.body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "deletedFile":
                del files[entry["value"]["path"]]
        oid = repository.commit(files)
        return self._json(
            200, {"commitUrl": f"{self.server.url}/{name}/commit/{oid}", "commitOid": oid, "success": True}
        )

    def _resolve(self, name, revision, file):
        repository = self._repository(name)
        if repository is None:
            return None
        commit = repository.at(revision)
        if commit is None:
            return self._json(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        oid, files = commit
        if file not in files:
            return self._json(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid})
        headers = {"X-Repo-Commit": oid, "ETag": f'"{hashlib.sha1(files[file]).hexdigest()}"'}
        if self.server.stated_size is not None:
            headers["X-Linked-Size"] = str(self.server.stated_size)
        return self._answer(200, files[file], headers)

    def _repository(self, name):
        repository = self.server.repositories.get(name)
        if repository is not None and repository.token in (None, self._token()):
            return repository
        self._json(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return None

    def _token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _json(self, status, document, headers=None):
        return self._answer(
            status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})}
        )

    def _answer(self, status, content, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
