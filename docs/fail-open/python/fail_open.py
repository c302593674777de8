"""Sends calls to the provider itself while Tokonomics can't be reached, and reports them afterwards.

For the http_client of any SDK that takes an httpx client: OpenAI(http_client=httpx.Client(transport=FailOpen(...))). Python 3.9, httpx 0.23 or newer.
"""
import datetime, json, queue, sys, threading, time, uuid

import httpx

# Answers of the proxy's own that are no outage. A cap that can't be checked is a cap; and of the others the provider may be at work already.
FINAL = {"budget_unverifiable", "provider_timeout", "provider_broke_off"}


class FailOpen(httpx.BaseTransport):
    """proxy: "https://tokonomics.example"; base: the SDK's base URL there, "/proxy/openai/v1"; direct: what it would be without, "https://api.openai.com/v1";
    metering_key: mk_live_…, to report with; headers: with the provider's own key, {"Authorization": "Bearer sk-…"};
    probe: seconds between questions whether the proxy is alive while a call waits, and before it is tried again when it was not."""

    def __init__(self, proxy, base, direct, metering_key, headers, probe=5.0):
        self.proxy, self.base, self.direct, self.key, self.headers, self.probe = proxy.rstrip("/"), base, httpx.URL(direct), metering_key, headers, probe
        self.inner, self.asking, self.away_until, self.pending = httpx.HTTPTransport(), httpx.Client(timeout=1.0), 0.0, queue.Queue()
        threading.Thread(target=self._deliver, daemon=True).start()

    def handle_request(self, request):
        request.read()
        answer = self._via_proxy(request)
        if answer is not None:
            self.away_until = 0.0
            return answer
        self.away_until = time.monotonic() + self.probe
        return self._past(request)

    def _alive(self):
        try:
            return self.asking.get(self.proxy + "/healthz").is_success
        except httpx.HTTPError:
            return False

    def _via_proxy(self, request):
        if self.away_until > 0 and (time.monotonic() < self.away_until or not self._alive()):
            return None
        # The call runs beside, so that a proxy that takes connections and says nothing is noticed long before any answer's time limit.
        answered, box = threading.Event(), {}

        def send():
            try:
                box["answer"] = self.inner.handle_request(request)
            except httpx.TransportError as error:
                box["error"] = error
            finally:
                answered.set()
                if box.get("late") and "answer" in box:
                    box["answer"].close()

        threading.Thread(target=send, daemon=True).start()
        while not answered.wait(self.probe):
            if not self._alive():
                box["late"] = True
                return None
        if isinstance(box.get("error"), (httpx.ReadTimeout, httpx.WriteTimeout)) and self._alive():
            raise box["error"]  # the model is slow, not the proxy away
        answer = box.get("answer")
        if answer is None:
            return None
        own = answer.headers.get("x-tokonomics-error")
        # A provider's own errors pass; so do refusals by cap, limit or key. A balancer that finds no proxy answers without an id of ours.
        away = answer.status_code >= 500 and (own not in FINAL if own else answer.status_code in (502, 503, 504) and "x-tokonomics-request-id" not in answer.headers)
        if not away:
            return answer
        answer.close()
        return None

    def _past(self, request):
        began, url = time.monotonic(), request.url
        path = url.raw_path.decode("ascii")
        sent = [(n, v) for n, v in request.headers.items() if not n.startswith("x-tokonomics-") and self.key not in v and n not in ("host", "accept-encoding") and n not in {h.lower() for h in self.headers}]
        tags = dict(t.strip().split("=", 1) for t in request.headers.get("x-tokonomics-tags", "").split(",") if "=" in t)
        call = {"id": str(uuid.uuid4()), "at": datetime.datetime.now(datetime.timezone.utc).isoformat(), "path": path, "method": request.method, "tags": tags}
        if request.content:
            call["request"] = request.content.decode("utf-8", "replace")

        def report(**more):
            self.pending.put({**call, "latency_ms": (time.monotonic() - began) * 1000, **more})

        target = self.direct.copy_with(raw_path=self.direct.raw_path.rstrip(b"/") + path[len(self.base):].encode("ascii"))
        try:
            answer = self.inner.handle_request(httpx.Request(request.method, target, headers=[*sent, *self.headers.items(), ("accept-encoding", "identity")], content=request.content, extensions=request.extensions))
        except httpx.ConnectError:
            raise  # nothing was sent
        except httpx.TransportError:
            report()
            raise
        told = {"status": answer.status_code}
        if "x-request-id" in answer.headers or "request-id" in answer.headers:
            told["provider_request_id"] = answer.headers.get("x-request-id", answer.headers.get("request-id"))
        return httpx.Response(answer.status_code, headers=answer.headers, stream=_Told(answer.stream, lambda text, whole: report(**told, response=text, complete=whole)), extensions=answer.extensions)

    def _deliver(self):
        while True:
            some, wait = [self.pending.get()], 1.0
            while len(some) < 20 and not self.pending.empty():
                some.append(self.pending.get())
            while True:
                try:
                    answer = httpx.post(self.proxy + "/api/v1/usage/import", headers={"Authorization": "Bearer " + self.key}, json={"calls": some}, timeout=10)
                    if answer.status_code in (200, 422):
                        if answer.status_code == 422:
                            print(f"Tokonomics takes no report of {len(some)} calls: {answer.text}", file=sys.stderr)
                        break
                except httpx.HTTPError:
                    pass
                time.sleep(min(wait, self.probe))
                wait = min(wait * 2, 60)
            for _ in some:
                self.pending.task_done()

    def flush(self):
        """Returns when every call that went past the proxy is reported: before a process ends."""
        self.pending.join()


class _Told(httpx.SyncByteStream):
    """Hands an answer on as it comes, and tells of it when it has ended."""

    def __init__(self, stream, tell):
        self.stream, self.tell, self.seen, self.whole = stream, tell, [], False

    def __iter__(self):
        for piece in self.stream:
            self.seen.append(piece)
            yield piece
        self.whole = True

    def close(self):
        self.stream.close()
        tell, self.tell = self.tell, None
        if tell:
            tell(b"".join(self.seen).decode("utf-8", "replace"), self.whole)
