package aws

import (
	"context"
	"encoding/json"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"mp3converter/shared/message"
)

// Outcomes is the SQS queue from convert to notify.
type Outcomes struct {
	client *sqs.Client
	url    *string
}

// NewOutcomes returns the queue with that URL.
func NewOutcomes(cfg awssdk.Config, url string) *Outcomes {
	return &Outcomes{client: sqs.NewFromConfig(cfg), url: &url}
}

// Send puts the outcome on the queue; when it returns nil, the queue has it.
func (q *Outcomes) Send(ctx context.Context, o message.Outcome) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write outcome: %w", err)
	}
	_, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: awssdk.String(string(body))})
	if err != nil {
		return fmt.Errorf("send outcome: %w", err)
	}
	return nil
}
