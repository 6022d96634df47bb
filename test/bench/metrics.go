package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// calls is how many reviews the webhook has answered; every answer is counted, a shed one too.
func (w *world) calls(ctx context.Context) (float64, error) {
	return w.counter(ctx, "gitlatch_decisions_total")
}

// counter adds a counter up over its labels.
func (w *world) counter(ctx context.Context, name string) (float64, error) {
	return counterAt(ctx, w.gate.MetricsURL(0), name)
}

func counterAt(ctx context.Context, url, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("reading the metrics: %s", response.Status)
	}
	return sum(response.Body, name)
}

func sum(text io.Reader, name string) (float64, error) {
	total := 0.0
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, " ") {
			continue
		}
		n, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("reading metric %s: %w", name, err)
		}
		total += n
	}
	return total, lines.Err()
}
