"""Calls by httpx with docs/fail-open/python, one for each line of standard input, as tests/clients/fail-open.mjs takes them. OpenAI's package for Python, which stands on httpx, is not among Debian's."""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../docs/fail-open/python"))
import httpx
from fail_open import FailOpen

proxy, direct, key = sys.argv[1:4]
transport = FailOpen(proxy, "/proxy/openai/v1", direct, key, {"Authorization": "Bearer sk-own"}, probe=0.5)
client = httpx.Client(transport=transport, base_url=proxy + "/proxy/openai/v1", headers={"Authorization": "Bearer " + key}, timeout=60)

for line in sys.stdin:
    ask = json.loads(line)
    try:
        if ask.get("flush"):
            transport.flush()
            print('{"flushed":true}', flush=True)
            continue
        body = {"model": "gpt-5.1", "messages": [{"role": "user", "content": ask["prompt"]}]}
        headers = {"X-Tokonomics-Tags": ask["tags"]} if ask.get("tags") else {}
        text = ""
        if ask.get("stream"):
            with client.stream("POST", "/chat/completions", json={**body, "stream": True, "stream_options": {"include_usage": True}}, headers=headers) as answer:
                for event in answer.iter_lines():
                    event = event.strip()
                    if event.startswith("data: {"):
                        for choice in json.loads(event[6:])["choices"]:
                            text += choice["delta"].get("content") or ""
                        if ask.pop("tell", False):
                            print('{"begun":true}', flush=True)
        else:
            answer = client.post("/chat/completions", json=body, headers=headers)
            if answer.status_code >= 400:
                print(json.dumps({"failed": answer.status_code, "why": answer.text}), flush=True)
                continue
            text = answer.json()["choices"][0]["message"]["content"]
        print(json.dumps({"text": text}), flush=True)
    except httpx.HTTPError as error:
        print(json.dumps({"failed": 0, "why": str(error)}), flush=True)
