package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/aws"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
	"mp3converter/shared/message"
)

const (
	fidA = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	fidB = "bbbbbbbbbbbbbbbbbbbbbbbbbb"
	fidC = "cccccccccccccccccccccccccc"
)

// calls is a Converter that writes down what it is asked to do, and fails for the files in fail.
type calls struct {
	done []string
	fail map[string]bool
}

var errCall = errors.New("this one does not work")

func (c *calls) call(what, id string) error {
	c.done = append(c.done, what+" "+id)
	if c.fail[id] {
		return errCall
	}
	return nil
}

func (c *calls) Convert(_ context.Context, id string) error { return c.call("convert", id) }
func (c *calls) Abandon(_ context.Context, id string) error { return c.call("abandon", id) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// s3Record is one record of an event as S3 writes it.
func s3Record(name, key string) string {
	return fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-north-1","eventTime":"2026-03-01T12:00:00.000Z",`+
		`"eventName":%q,"s3":{"s3SchemaVersion":"1.0","bucket":{"name":"uploads","arn":"arn:aws:s3:::uploads"},`+
		`"object":{"key":%q,"size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0055AED6DCD90281E5"}}}`, name, key)
}

func s3Event(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func created(key string) string { return s3Record("ObjectCreated:Put", key) }

// given is what Lambda sends to an on-failure destination.
func given(event string) string {
	return `{"version":"1.0","timestamp":"2026-03-01T12:00:00.000Z","requestContext":{"requestId":"r","functionArn":"f",` +
		`"condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":` + event +
		`,"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
		`"responsePayload":{"errorMessage":"timed out"}}`
}

// sqsEvent is an event with these bodies, whose messages are m0, m1 and so on.
func sqsEvent(t *testing.T, bodies ...string) string {
	t.Helper()
	records := make([]map[string]string, len(bodies))
	for i, body := range bodies {
		records[i] = map[string]string{
			"messageId": fmt.Sprintf("m%d", i), "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
			"eventSourceARN": "arn:aws:sqs:eu-north-1:1:q", "awsRegion": "eu-north-1",
		}
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryVideoThatArrivedIsConverted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event string
		want  []string
	}{
		"a PUT":                  {s3Event(created(fidA)), []string{"convert " + fidA}},
		"a multipart upload":     {s3Event(s3Record("ObjectCreated:CompleteMultipartUpload", fidA)), []string{"convert " + fidA}},
		"an engine's own prefix": {s3Event(s3Record("s3:ObjectCreated:Put", fidA)), []string{"convert " + fidA}},
		"several":                {s3Event(created(fidA), created(fidB), created(fidA)), []string{"convert " + fidA, "convert " + fidB, "convert " + fidA}},
		"a URL-encoded key":      {s3Event(created(strings.Repeat("%61", 26))), []string{"convert " + fidA}},
		"a removal":              {s3Event(s3Record("ObjectRemoved:Delete", fidA)), nil},
		"a removal and a PUT":    {s3Event(s3Record("ObjectRemoved:Delete", fidA), created(fidB)), []string{"convert " + fidB}},
		"a restore":              {s3Event(s3Record("ObjectRestore:Completed", fidA)), nil},
		"the test event":         {`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-01T12:00:00.000Z","Bucket":"uploads","RequestId":"r","HostId":"h"}`, nil},
		"no records":             {`{"Records":[]}`, nil},
		"an empty object":        {`{}`, nil},
		"keys that are none of ours": {s3Event(
			created(""), created("holiday.mp4"), created("folder/"+fidA), created(fidA+".mp3"),
			created(strings.ToUpper(fidA)), created("%2e%2e%2f"+fidA), created(fidA+"+"), created("+"+fidA), created(fidA+"%00"),
			created(fidB),
		), []string{"convert " + fidB}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c2 := &calls{}
			got, err := aws.ConvertEvents(c2, quiet())(t.Context(), json.RawMessage(c.event))
			if got != nil || err != nil || !slices.Equal(c2.done, c.want) {
				t.Errorf("did %q, answered %v, %v; want %q", c2.done, got, err, c.want)
			}
		})
	}
}

func TestOneVideoThatFailsDoesNotStopTheNext(t *testing.T) {
	t.Parallel()
	c := &calls{fail: map[string]bool{fidA: true, fidC: true}}
	_, err := aws.ConvertEvents(c, quiet())(t.Context(), json.RawMessage(s3Event(created(fidA), created(fidB), created(fidC))))
	if !errors.Is(err, errCall) || !slices.Equal(c.done, []string{"convert " + fidA, "convert " + fidB, "convert " + fidC}) {
		t.Errorf("did %q, error %v", c.done, err)
	}
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	t.Parallel()
	for _, event := range []string{``, `nonsense`, `[]`, `"x"`, `{"Records":"x"}`, `{"Records":[1]}`, `{"Records":[{"s3":[]}]}`, s3Event(created("%zz"))} {
		c := &calls{}
		if got, err := aws.ConvertEvents(c, quiet())(t.Context(), json.RawMessage(event)); err == nil || len(c.done) != 0 {
			t.Errorf("ConvertEvents of %q did %q and answered %v, %v", event, c.done, got, err)
		}
	}
}

// failures are the messages that an answer asks to be sent again.
func failures(t *testing.T, answer any) []string {
	t.Helper()
	b, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(b, &response); err != nil {
		t.Fatal(err)
	}
	if response.Failures == nil {
		t.Errorf("the answer %s has no list of failures", b)
	}
	var ids []string
	for _, f := range response.Failures {
		ids = append(ids, f.ID)
	}
	return ids
}

func TestWhatLambdaGaveUpIsAbandonedMessageByMessage(t *testing.T) {
	t.Parallel()
	c := &calls{fail: map[string]bool{fidB: true}}
	answer, err := aws.ConvertEvents(c, quiet())(t.Context(), json.RawMessage(sqsEvent(t,
		given(s3Event(created(fidA))),
		given(s3Event(created(fidB), created(fidC))),
		`nonsense`,
		`{}`,
		given(`"nonsense"`),
		given(s3Event(created("holiday.mp4"))),
		given(s3Event(created(strings.Repeat("%63", 26)))),
	)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"abandon " + fidA, "abandon " + fidB, "abandon " + fidC, "abandon " + fidC}; !slices.Equal(c.done, want) {
		t.Errorf("did %q, want %q", c.done, want)
	}
	if got, want := failures(t, answer), []string{"m1", "m2", "m3", "m4"}; !slices.Equal(got, want) {
		t.Errorf("these messages come again: %q, want %q", got, want)
	}
}

func TestABatchThatWentWellHasAnEmptyListOfFailures(t *testing.T) {
	t.Parallel()
	answer, err := aws.ConvertEvents(&calls{}, quiet())(t.Context(), json.RawMessage(sqsEvent(t, given(s3Event(created(fidA))))))
	if err != nil || len(failures(t, answer)) != 0 {
		t.Errorf("answered %v, %v", answer, err)
	}
}

// mailer keeps what it is given, and fails for one recipient.
type mailer struct{ sent []string }

func (m *mailer) Send(_ context.Context, mail message.Mail) error {
	if mail.To == "fails@example.com" {
		return errCall
	}
	m.sent = append(m.sent, mail.To)
	return nil
}

func TestOutcomesAreToldMessageByMessage(t *testing.T) {
	t.Parallel()
	store, m, log := &librarytest.Memory{}, &mailer{}, &bytes.Buffer{}
	for id, email := range map[string]string{fidA: "anna@example.com", fidB: "fails@example.com", fidC: "carl@example.com"} {
		store.Put(library.File{ID: id, Email: email, Filename: "a.mp4", State: library.Ready})
	}
	handle := aws.NotifyEvents(&message.Notifier{
		Library: &library.Library{Store: store, Retention: time.Hour}, Mailer: m, PageURL: "https://page.test", Log: quiet(),
	}, slog.New(slog.NewJSONHandler(log, nil)))
	about := func(id string) string { return `{"version":1,"fid":"` + id + `","state":"ready"}` }
	answer, err := handle(t.Context(), json.RawMessage(sqsEvent(t,
		about(fidA), about(fidB), `nonsense`, `{"version":2,"fid":"`+fidC+`","state":"ready"}`, about(fidC), about(fidA),
	)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"anna@example.com", "carl@example.com"}; !slices.Equal(m.sent, want) {
		t.Errorf("e-mails went to %q, want %q", m.sent, want)
	}
	if got, want := failures(t, answer), []string{"m1", "m2", "m3"}; !slices.Equal(got, want) {
		t.Errorf("these messages come again: %q, want %q", got, want)
	}
	if strings.Count(log.String(), `"level":"ERROR"`) != 3 || strings.Contains(log.String(), "@example.com") {
		t.Errorf("the log is %s", log)
	}
	if got, err := handle(t.Context(), json.RawMessage(`nonsense`)); err == nil {
		t.Errorf("what is no event is answered %v", got)
	}
}

func FuzzConvertEvents(f *testing.F) {
	f.Add([]byte(s3Event(created(fidA))))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"m","body":"{\"requestPayload\":{\"Records\":[]}}"}]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		c := &calls{}
		_, _ = aws.ConvertEvents(c, quiet())(t.Context(), event)
		for _, done := range c.done {
			if _, id, _ := strings.Cut(done, " "); !library.ValidID(id) {
				t.Errorf("did %q", done)
			}
		}
	})
}
