// Calls by net/http with docs/fail-open/go, one for each line of standard input, as tests/clients/fail-open.mjs takes them. OpenAI's module for Go, which takes such an http.Client, wants a newer Go than Debian 12 has.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"application/failopen"
)

type ask struct {
	Prompt string
	Stream bool
	Tags   string
	Tell   bool
	Flush  bool
}

type choice struct {
	Message struct{ Content string }
	Delta   struct{ Content string }
}

type answered struct{ Choices []choice }

func main() {
	proxy, direct, key := os.Args[1], os.Args[2], os.Args[3]
	transport := &failopen.Transport{
		Proxy: proxy, Base: "/proxy/openai/v1", Direct: direct, MeteringKey: key, Headers: map[string]string{"Authorization": "Bearer sk-own"}, Probe: 500 * time.Millisecond,
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var a ask
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			panic(err)
		}
		if a.Flush {
			transport.Flush()
			say(map[string]any{"flushed": true})
			continue
		}
		text, failed, err := call(client, proxy, key, a)
		if err != nil {
			say(map[string]any{"failed": failed, "why": err.Error()})
			continue
		}
		say(map[string]any{"text": text})
	}
}

func call(client *http.Client, proxy, key string, a ask) (string, int, error) {
	body := map[string]any{"model": "gpt-5.1", "messages": []any{map[string]string{"role": "user", "content": a.Prompt}}}
	if a.Stream {
		body["stream"], body["stream_options"] = true, map[string]bool{"include_usage": true}
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return "", 0, err
	}
	request, err := http.NewRequest("POST", proxy+"/proxy/openai/v1/chat/completions", bytes.NewReader(sent))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	if a.Tags != "" {
		request.Header.Set("X-Tokonomics-Tags", a.Tags)
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	if !a.Stream || answer.StatusCode >= 400 {
		said, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode >= 400 {
			return "", answer.StatusCode, fmt.Errorf("%s", said)
		}
		var whole answered
		if err := json.Unmarshal(said, &whole); err != nil {
			return "", 0, err
		}
		return whole.Choices[0].Message.Content, 0, nil
	}
	text := ""
	events := bufio.NewScanner(answer.Body)
	for events.Scan() {
		if !strings.HasPrefix(events.Text(), "data: {") {
			continue
		}
		var event answered
		if err := json.Unmarshal([]byte(events.Text()[6:]), &event); err != nil {
			return "", 0, err
		}
		for _, c := range event.Choices {
			text += c.Delta.Content
		}
		if a.Tell {
			a.Tell = false
			say(map[string]any{"begun": true})
		}
	}
	return text, 0, events.Err()
}

func say(what map[string]any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
