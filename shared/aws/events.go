package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"mp3converter/shared/library"
	"mp3converter/shared/message"
	"mp3converter/shared/transfer"
)

// Converter is what conversion events are for.
type Converter interface {
	Convert(ctx context.Context, id string) error
	Abandon(ctx context.Context, id string) error
}

// ConvertEvents decodes what the convert function is sent: S3's notification that a video has arrived, or, through SQS,
// the record of such an event that Lambda has given up (an on-failure destination).
func ConvertEvents(c Converter, log *slog.Logger) func(ctx context.Context, event json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		var probe struct {
			Records []struct {
				// S3 writes eventSource, SQS too; SNS would write EventSource.
				Source string `json:"eventSource"`
			} `json:"Records"`
		}
		if err := json.Unmarshal(event, &probe); err != nil {
			return nil, fmt.Errorf("read event: %w", err)
		}
		if len(probe.Records) > 0 && probe.Records[0].Source == "aws:sqs" {
			return eachMessage(ctx, event, log, func(ctx context.Context, body string) error {
				var given struct {
					Payload json.RawMessage `json:"requestPayload"`
				}
				if err := json.Unmarshal([]byte(body), &given); err != nil {
					return fmt.Errorf("read record of a failed call: %w", err)
				}
				return eachVideo(ctx, given.Payload, log, c.Abandon)
			})
		}
		return nil, eachVideo(ctx, event, log, c.Convert)
	}
}

// eachVideo calls do for every video that an S3 event is about, and goes on after an error.
func eachVideo(ctx context.Context, event json.RawMessage, log *slog.Logger, do func(ctx context.Context, id string) error) error {
	var e events.S3Event
	if err := json.Unmarshal(event, &e); err != nil {
		return fmt.Errorf("read S3 event: %w", err)
	}
	var errs []error
	for _, r := range e.Records {
		if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
			log.InfoContext(ctx, "S3 event of no interest", "event", r.EventName)
			continue
		}
		// AWS sends keys URL-encoded, some engines as they are; ours are the same either way.
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil || !library.ValidID(key) || transfer.VideoKey(key) != key {
			log.WarnContext(ctx, "object with a key that is none of ours", "bucket", r.S3.Bucket.Name)
			continue
		}
		if err := do(ctx, key); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// NotifyEvents decodes what the notify function is sent: outcomes, through SQS.
func NotifyEvents(n *message.Notifier, log *slog.Logger) func(ctx context.Context, event json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		return eachMessage(ctx, event, log, func(ctx context.Context, body string) error {
			var o message.Outcome
			if err := json.Unmarshal([]byte(body), &o); err != nil {
				return fmt.Errorf("read outcome: %w", err)
			}
			return n.Notify(ctx, o)
		})
	}
}

// eachMessage calls do for every message of an SQS event and reports those that failed, so that only they come again.
func eachMessage(ctx context.Context, event json.RawMessage, log *slog.Logger, do func(ctx context.Context, body string) error) (events.SQSEventResponse, error) {
	// Not nil: an empty list is what says that all went well.
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var e events.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return response, fmt.Errorf("read SQS event: %w", err)
	}
	for _, m := range e.Records {
		if err := do(ctx, m.Body); err != nil {
			log.ErrorContext(ctx, "message failed; it comes again", "message_id", m.MessageId, "error", err)
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return response, nil
}
