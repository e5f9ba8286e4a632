package aws_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"mp3converter/shared/aws"
	"mp3converter/shared/message"
)

// mailService is SES v2 as far as Mail needs it: it answers every request with one status and one kind of error.
func mailService(t *testing.T, status int, errorType string, seen *map[string]any, requests *atomic.Int32) *aws.Mail {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, seen) != nil || r.URL.Path != "/v2/email/outbound-emails" {
			t.Errorf("SES was asked %s %s: %s (%v)", r.Method, r.URL, body, err)
		}
		w.Header().Set("X-Amzn-Errortype", errorType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"MessageId":"m","message":"because"}`)
	}))
	t.Cleanup(server.Close)
	return aws.NewMail(awssdk.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, "sender@example.com")
}

func TestAMailReachesSESInItsParts(t *testing.T) {
	t.Parallel()
	var seen map[string]any
	var requests atomic.Int32
	err := mailService(t, http.StatusOK, "", &seen, &requests).Send(t.Context(), message.Mail{
		To: "anna@example.com", Subject: "Ünï 🎬", Text: "text – plain", HTML: "<p>markup</p>",
	})
	if err != nil {
		t.Fatal(err)
	}
	content := func(data string) map[string]any { return map[string]any{"Charset": "UTF-8", "Data": data} }
	want, err := json.Marshal(map[string]any{
		"FromEmailAddress": "sender@example.com",
		"Destination":      map[string]any{"ToAddresses": []string{"anna@example.com"}},
		"Content": map[string]any{"Simple": map[string]any{
			"Subject": content("Ünï 🎬"),
			"Body":    map[string]any{"Text": content("text – plain"), "Html": content("<p>markup</p>")},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(seen); err != nil || string(got) != string(want) {
		t.Errorf("SES was sent\n%s (%v), want\n%s", got, err, want)
	}
}

func TestAMailIsNeverRepeatedByTheClient(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{
		"MessageRejected": 400, "TooManyRequestsException": 429, "SendingPausedException": 400, "InternalFailure": 500,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen map[string]any
			var requests atomic.Int32
			if err := mailService(t, status, name, &seen, &requests).Send(t.Context(), message.Mail{To: "anna@example.com"}); err == nil {
				t.Error("no error")
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
