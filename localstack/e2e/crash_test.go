package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

// arrival is S3's event about one object, as AWS sends it.
func arrival(bucket, key string) []byte {
	event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": os.Getenv("AWS_REGION"),
		"eventTime": time.Now().UTC().Format(time.RFC3339), "eventName": "ObjectCreated:Put",
		"s3": map[string]any{
			"s3SchemaVersion": "1.0", "bucket": map[string]any{"name": bucket, "arn": "arn:aws:s3:::" + bucket},
			"object": map[string]any{"key": key, "size": 1, "eTag": "0", "sequencer": "0"},
		},
	}}})
	if err != nil {
		panic(err)
	}
	return event
}

// invoke sends an event to a function the way S3 does: asynchronously, so that failures are retried.
func invoke(t *testing.T, function string, event []byte) {
	t.Helper()
	_, err := lambda.NewFromConfig(suite.cloud).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: &function, Payload: event, InvocationType: lambdatypes.InvocationTypeEvent,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// record reads the file's item.
func record(t *testing.T, id string) map[string]types.AttributeValue {
	t.Helper()
	out, err := dynamodb.NewFromConfig(suite.cloud).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: awssdk.String(os.Getenv("FILES_TABLE")), ConsistentRead: awssdk.Bool(true),
		Key: map[string]types.AttributeValue{"fid": &types.AttributeValueMemberS{Value: id}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func number(item map[string]types.AttributeValue, name string) string {
	n, _ := item[name].(*types.AttributeValueMemberN)
	if n == nil {
		return ""
	}
	return n.Value
}

// quiet waits until the service has had the time to do something it must not do: until another file, announced now, has
// gone the whole way from upload to e-mail.
func quiet(t *testing.T) {
	t.Helper()
	p := newPerson(t)
	id := p.upload(t, clip(t), nil)
	eventually(t, "an e-mail about a later file", func() bool { return len(p.mails(t, id)) > 0 })
}

func TestTheSameEventFiveTimesAtOnceGivesOneConversionOneMP3OneEmail(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	// Long enough to be under way while all five arrive.
	path := minutes(t, 4)
	id := p.upload(t, path, nil) // the storage sends one event; here are five more
	var together sync.WaitGroup
	for range 5 {
		together.Go(func() { invoke(t, os.Getenv("CONVERT_FUNCTION"), arrival(os.Getenv("UPLOADS_BUCKET"), id)) })
	}
	together.Wait()
	if f := p.finished(t, id); f.State != "ready" {
		t.Fatalf("ended %+v", f)
	}
	eventually(t, "the e-mail", func() bool { return len(p.mails(t, id)) > 0 })
	quiet(t)
	if n := len(p.mails(t, id)); n != 1 {
		t.Errorf("%d e-mails", n)
	}
	if attempts := number(record(t, id), "attempts"); attempts != "1" {
		t.Errorf("%s conversions were begun", attempts)
	}
	prefix, err := s3.NewFromConfig(suite.cloud, func(o *s3.Options) { o.UsePathStyle = true }).ListObjectsV2(t.Context(),
		&s3.ListObjectsV2Input{Bucket: awssdk.String(os.Getenv("RESULTS_BUCKET")), Prefix: &id})
	if err != nil {
		t.Fatal(err)
	}
	if len(prefix.Contents) != 1 {
		t.Errorf("%d MP3s", len(prefix.Contents))
	}
	wantMP3(t, p.download(t, id), 240)
}

// minutes is a video that is long to encode and quick to make.
func minutes(t *testing.T, n int) string {
	t.Helper()
	s := float64(n * 60)
	return video(t, fmt.Sprintf("%d-minutes.mkv", n), join([]string{"-f", "lavfi", "-i", fmt.Sprintf("color=size=16x16:rate=1:duration=%g", s)},
		[]string{"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=0.3*sin(440*2*PI*t)+0.2*random(0)|0.3*sin(330*2*PI*t)+0.2*random(1):s=44100:d=%g", s)},
		[]string{"-c:v", "mpeg4", "-c:a", "flac"})...)
}

// It runs before the parallel tests, so that the one convert process at work is the one to kill.
func TestAFunctionKilledInMidConversionAndRetriedEndsReadyWithOneEmail(t *testing.T) {
	p := newPerson(t)
	id := p.upload(t, minutes(t, 10), map[string]any{"normalize": true}) // which takes longest
	eventually(t, "the conversion to be under way", func() bool {
		f := p.get(t, id)
		if f.State == "ready" || f.State == "failed" {
			t.Fatalf("the conversion was over before it could be killed: %+v", f)
		}
		return f.State == "converting" && f.Progress > 0
	})
	killConvert(t)
	if f := p.finished(t, id); f.State != "ready" {
		t.Fatalf("ended %+v", f)
	}
	if attempts := number(record(t, id), "attempts"); attempts != "2" {
		t.Errorf("the file was converted in %s attempts; it should have been killed once", attempts)
	}
	eventually(t, "the e-mail", func() bool { return len(p.mails(t, id)) > 0 })
	quiet(t)
	if n := len(p.mails(t, id)); n != 1 {
		t.Errorf("%d e-mails", n)
	}
	wantMP3(t, p.download(t, id), 600)
}

func TestALateEventForADeletedFileDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	id := p.upload(t, clip(t), nil)
	p.finished(t, id)
	eventually(t, "the e-mail", func() bool { return len(p.mails(t, id)) == 1 })
	if r := p.do(t, "DELETE", "/files/"+id, nil); r.status != 204 {
		t.Fatalf("delete: %s", r)
	}
	invoke(t, os.Getenv("CONVERT_FUNCTION"), arrival(os.Getenv("UPLOADS_BUCKET"), id))
	quiet(t)
	if item := record(t, id); len(item) != 0 {
		t.Errorf("there is a record again: %v", item)
	}
	for _, bucket := range []string{"UPLOADS_BUCKET", "RESULTS_BUCKET"} {
		out, err := s3.NewFromConfig(suite.cloud, func(o *s3.Options) { o.UsePathStyle = true }).ListObjectsV2(t.Context(),
			&s3.ListObjectsV2Input{Bucket: awssdk.String(os.Getenv(bucket)), Prefix: &id})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Contents) != 0 {
			t.Errorf("%s still has the file", bucket)
		}
	}
	if n := len(p.mails(t, id)); n != 1 {
		t.Errorf("%d e-mails", n)
	}
}

func TestMessagesOutOfOrderDoNoHarm(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	waiting := p.announce(t, "later.mp4", 1000, nil).ID
	id := p.upload(t, clip(t), nil)
	send := func(id, state string) {
		t.Helper()
		_, err := sqs.NewFromConfig(suite.cloud).SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl:    awssdk.String(os.Getenv("OUTCOMES_QUEUE_URL")),
			MessageBody: awssdk.String(fmt.Sprintf(`{"version":1,"fid":%q,"state":%q}`, id, state)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send(waiting, "ready") // before there is anything to tell
	send(id, "failed")     // the opposite of what will be true
	if f := p.finished(t, id); f.State != "ready" {
		t.Fatalf("ended %+v", f)
	}
	eventually(t, "the e-mail", func() bool { return len(p.mails(t, id)) > 0 })
	send(id, "ready") // again, after the e-mail
	send(id, "failed")
	quiet(t)
	letters := p.mails(t, id)
	if len(letters) != 1 || !contains(letters[0].Subject, "ready") {
		t.Errorf("e-mails: %+v", letters)
	}
	if n := len(p.mails(t, waiting)); n != 0 {
		t.Errorf("%d e-mails about a file that is not there yet", n)
	}
}
