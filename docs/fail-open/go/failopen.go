// Package failopen sends calls to the provider itself while Tokonomics can't be reached, and reports them afterwards.
// For any SDK that takes an http.Client: option.WithHTTPClient(&http.Client{Transport: failopen.New(…)}).
package failopen

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Answers of the proxy's own that are no outage. A cap that can't be checked is a cap; and of the others the provider may be at work already.
var final = map[string]bool{"budget_unverifiable": true, "provider_timeout": true, "provider_broke_off": true}

// Transport is an http.RoundTripper. All fields but Probe and Inner are needed.
type Transport struct {
	Proxy       string            // where it is: https://tokonomics.example
	Base        string            // the path of the SDK's base URL there: /proxy/openai/v1
	Direct      string            // what the base URL would be without: https://api.openai.com/v1
	MeteringKey string            // mk_live_…, to report with
	Headers     map[string]string // with the provider's own key: {"Authorization": "Bearer sk-…"}
	Probe       time.Duration     // how often it is asked whether it is alive while a call waits, and how soon again when it was not; 5 s
	Inner       http.RoundTripper

	away    atomic.Int64
	once    sync.Once
	pending chan map[string]any
	left    sync.WaitGroup
}

// Flush returns when every call that went past the proxy is reported: before a process ends.
func (t *Transport) Flush() { t.left.Wait() }

func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.once.Do(func() {
		if t.Probe == 0 {
			t.Probe = 5 * time.Second
		}
		if t.Inner == nil {
			t.Inner = http.DefaultTransport
		}
		t.pending = make(chan map[string]any, 100_000)
		go t.deliver()
	})
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	if answer := t.viaProxy(r, body); answer != nil {
		t.away.Store(0)
		return answer, nil
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	t.away.Store(time.Now().Add(t.Probe).UnixNano())
	return t.past(r, body)
}

func (t *Transport) alive() bool {
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(soon, "GET", t.Proxy+"/healthz", nil)
	if err != nil {
		return false
	}
	answer, err := t.Inner.RoundTrip(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == 200
}

func (t *Transport) viaProxy(r *http.Request, body []byte) *http.Response {
	if away := t.away.Load(); away > 0 && (time.Now().UnixNano() < away || !t.alive()) {
		return nil
	}
	hung, cancel := context.WithCancel(r.Context())
	answered := make(chan struct{})
	go func() {
		for {
			select {
			case <-answered:
				return
			case <-time.After(t.Probe):
				if !t.alive() {
					cancel()
					return
				}
			}
		}
	}()
	answer, err := t.Inner.RoundTrip(again(r.WithContext(hung), r.URL, body))
	close(answered)
	if err != nil {
		cancel()
		return nil
	}
	own := answer.Header.Get("x-tokonomics-error")
	// A provider's own errors pass; so do refusals by cap, limit or key. A balancer that finds no proxy answers without an id of ours.
	balancers := (answer.StatusCode == 502 || answer.StatusCode == 503 || answer.StatusCode == 504) && answer.Header.Get("x-tokonomics-request-id") == ""
	if answer.StatusCode < 500 || (own != "" && final[own]) || (own == "" && !balancers) {
		answer.Body = &told{ReadCloser: answer.Body, tell: func(string, bool) { cancel() }}
		return answer
	}
	answer.Body.Close()
	cancel()
	return nil
}

func (t *Transport) past(r *http.Request, body []byte) (*http.Response, error) {
	began := time.Now()
	path := r.URL.RequestURI()
	target, err := url.Parse(strings.TrimSuffix(t.Direct, "/") + strings.TrimPrefix(path, t.Base))
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range strings.Split(r.Header.Get("X-Tokonomics-Tags"), ",") {
		if name, value, ok := strings.Cut(tag, "="); ok {
			tags[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	call := map[string]any{"id": fmt.Sprintf("%x", id), "at": began.UTC().Format(time.RFC3339Nano), "path": path, "method": r.Method, "tags": tags}
	if body != nil {
		call["request"] = string(body)
	}
	direct := again(r, target, body)
	for name, values := range direct.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-tokonomics-") || strings.Contains(strings.Join(values, ","), t.MeteringKey) {
			direct.Header.Del(name)
		}
	}
	for name, value := range t.Headers {
		direct.Header.Set(name, value)
	}
	answer, err := t.Inner.RoundTrip(direct)
	if err != nil {
		t.report(call, began)
		return nil, err
	}
	call["status"] = answer.StatusCode
	if id := answer.Header.Get("x-request-id"); id != "" {
		call["provider_request_id"] = id
	}
	answer.Body = &told{ReadCloser: answer.Body, tell: func(text string, whole bool) {
		call["response"], call["complete"] = text, whole
		t.report(call, began)
	}}
	return answer, nil
}

func (t *Transport) report(call map[string]any, began time.Time) {
	call["latency_ms"] = time.Since(began).Milliseconds()
	t.left.Add(1)
	t.pending <- call
}

func (t *Transport) deliver() {
	for call := range t.pending {
		text, err := json.Marshal(map[string]any{"calls": []any{call}})
		for wait := time.Second; err == nil; wait = min(2*wait, time.Minute) {
			r, _ := http.NewRequest("POST", t.Proxy+"/api/v1/usage/import", bytes.NewReader(text))
			r.Header.Set("Authorization", "Bearer "+t.MeteringKey)
			r.Header.Set("Content-Type", "application/json")
			if answer, failed := t.Inner.RoundTrip(r); failed == nil {
				said, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode == 422 {
					log.Printf("Tokonomics takes no report of a call: %s", said)
				}
				if answer.StatusCode == 200 || answer.StatusCode == 422 {
					break
				}
			}
			time.Sleep(min(wait, t.Probe))
		}
		t.left.Done()
	}
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

func again(r *http.Request, to *url.URL, body []byte) *http.Request {
	copied := r.Clone(r.Context())
	copied.URL, copied.Host = to, to.Host
	if body != nil {
		copied.Body = io.NopCloser(bytes.NewReader(body))
	}
	return copied
}

// told hands an answer on as it comes, and tells of it when it has ended.
type told struct {
	io.ReadCloser
	tell  func(text string, whole bool)
	seen  bytes.Buffer
	whole bool
	once  sync.Once
}

func (b *told) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.seen.Write(p[:n])
	b.whole = b.whole || err == io.EOF
	if err == io.EOF {
		b.end()
	}
	return n, err
}

func (b *told) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

func (b *told) end() { b.once.Do(func() { b.tell(b.seen.String(), b.whole) }) }
