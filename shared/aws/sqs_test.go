package aws_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"mp3converter/shared/aws"
	"mp3converter/shared/library"
	"mp3converter/shared/message"
)

func TestAnOutcomeIsOnTheQueueWhenSendReturns(t *testing.T) {
	t.Parallel()
	cfg := connect(t)
	client, name := sqs.NewFromConfig(cfg), "test-"+rand.Text()
	queue, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatalf("create queue: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue.QueueUrl}); err != nil {
			t.Errorf("delete queue: %v", err)
		}
	})
	err = aws.NewOutcomes(cfg, *queue.QueueUrl).Send(t.Context(), message.Outcome{Version: 1, ID: fidA, State: library.Failed})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("received %+v (%v)", got, err)
	}
	if body, want := *got.Messages[0].Body, `{"version":1,"fid":"`+fidA+`","state":"failed"}`; body != want {
		t.Errorf("the message is %s, want %s", body, want)
	}
}

func TestAQueueThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	cfg := connect(t)
	err := aws.NewOutcomes(cfg, setting(t, "OUTCOMES_QUEUE_URL")+"-"+rand.Text()).Send(t.Context(), message.Outcome{Version: 1, ID: fidA})
	if err == nil {
		t.Error("the outcome was sent to nowhere")
	}
}
