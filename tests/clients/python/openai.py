"""Stands in for the package openai, which the tests' package sources don't have: the one call that the portal's program makes, with the arguments and the
request of the real one (compared with openai 3.3.1, 2026-11-29). An argument that isn't among them fails."""
import json
import os
import types
import urllib.request


class OpenAI:
    def __init__(self, *, api_key=None, base_url=None, default_headers=None):
        self._key = api_key or os.environ["OPENAI_API_KEY"]
        self._url = base_url.rstrip("/")
        self._headers = dict(default_headers or {})
        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=self._create))

    def _create(self, *, model, messages):
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **self._headers}
        request = urllib.request.Request(f"{self._url}/chat/completions", json.dumps({"messages": messages, "model": model}).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer, object_hook=lambda fields: types.SimpleNamespace(**fields))
