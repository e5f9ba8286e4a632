package objectserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Control is the view of the one who measures on a running server.
type Control struct {
	// URL is the server's, without a path.
	URL string
}

// Counters returns what a job has asked for so far.
func (c *Control) Counters(ctx context.Context, bucket string) (Counters, error) {
	var counters Counters
	err := c.do(ctx, http.MethodGet, bucket, http.StatusOK, &counters)
	return counters, err
}

// Remove forgets a job and deletes what it put.
func (c *Control) Remove(ctx context.Context, bucket string) error {
	return c.do(ctx, http.MethodDelete, bucket, http.StatusNoContent, nil)
}

func (c *Control) do(ctx context.Context, method, bucket string, want int, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+controlPath+bucket, nil)
	if err != nil {
		return fmt.Errorf("ask the object server: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the object server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // adds to the error, no more
		return fmt.Errorf("ask the object server: %s: %s", resp.Status, text)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the object server's answer: %w", err)
	}
	return nil
}
