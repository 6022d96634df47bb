package process

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Answers asks a process for its health or readiness, and is nil when it answers 200 within two seconds.
func Answers(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("getting %s: %s", url, response.Status)
	}
	return nil
}
