package aws

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"mp3converter/shared/audio"
	"mp3converter/shared/library"
)

// ownerIndex lists an owner's files by time of creation.
const ownerIndex = "by-owner"

// createdLayout sorts as text in the order of time.
const createdLayout = "2006-01-02T15:04:05.000Z"

// Files keeps the library's files in a DynamoDB table: partition key fid; index by-owner (owner, created); TTL on ttl.
type Files struct {
	db    *dynamodb.Client
	table *string
}

// NewFiles returns the store on that table.
func NewFiles(cfg awssdk.Config, table string) *Files {
	return &Files{db: dynamodb.NewFromConfig(cfg), table: &table}
}

var _ library.Store = (*Files)(nil)

// fileItem is a file as the table holds it. Times are milliseconds since 1970, but for created, which sorts the index,
// and ttl, which DynamoDB wants in seconds.
type fileItem struct {
	ID          string        `dynamodbav:"fid"`
	Owner       string        `dynamodbav:"owner"`
	Email       string        `dynamodbav:"email"`
	Filename    string        `dynamodbav:"filename"`
	Size        int64         `dynamodbav:"size"`
	ContentType string        `dynamodbav:"content_type,omitempty"`
	SHA256      string        `dynamodbav:"sha256,omitempty"`
	Options     string        `dynamodbav:"options"`
	Created     string        `dynamodbav:"created"`
	State       library.State `dynamodbav:"state"`
	Progress    int           `dynamodbav:"progress"`
	Attempts    int           `dynamodbav:"attempts"`
	Lease       string        `dynamodbav:"lease,omitempty"`
	LeaseUntil  int64         `dynamodbav:"lease_until,omitempty"`
	Finished    int64         `dynamodbav:"finished,omitempty"`
	Expires     int64         `dynamodbav:"expires"`
	MP3Bytes    int64         `dynamodbav:"mp3_bytes,omitempty"`
	Duration    time.Duration `dynamodbav:"duration,omitempty"`
	FailCode    string        `dynamodbav:"failure_code,omitempty"`
	FailDetail  string        `dynamodbav:"failure_detail,omitempty"`
	Work        *workItem     `dynamodbav:"work,omitempty"`
	Announced   bool          `dynamodbav:"announced,omitempty"`
	Mailed      bool          `dynamodbav:"mailed,omitempty"`
	MailLease   string        `dynamodbav:"mail_lease,omitempty"`
	TTL         int64         `dynamodbav:"ttl"`
}

func toItem(f library.File, forget time.Time) (fileItem, error) {
	options, err := json.Marshal(f.Options)
	if err != nil {
		return fileItem{}, fmt.Errorf("write audio options: %w", err)
	}
	return fileItem{
		ID: f.ID, Owner: f.Owner, Email: f.Email, Filename: f.Filename, Size: f.Size, ContentType: f.ContentType,
		SHA256: f.SHA256, Options: string(options), Created: f.Created.UTC().Format(createdLayout), State: f.State,
		Expires: f.Expires.UnixMilli(), TTL: forget.Unix(),
	}, nil
}

func fromAttributes(attrs map[string]types.AttributeValue) (library.File, error) {
	var it fileItem
	if err := attributevalue.UnmarshalMap(attrs, &it); err != nil {
		return library.File{}, fmt.Errorf("read file item: %w", err)
	}
	created, err := time.Parse(createdLayout, it.Created)
	if err != nil {
		return library.File{}, fmt.Errorf("read file item %s: %w", it.ID, err)
	}
	var options audio.Options
	if err := json.Unmarshal([]byte(it.Options), &options); err != nil {
		return library.File{}, fmt.Errorf("read audio options of file item %s: %w", it.ID, err)
	}
	return library.File{
		ID: it.ID, Owner: it.Owner, Email: it.Email, Filename: it.Filename, Size: it.Size, ContentType: it.ContentType,
		SHA256: it.SHA256, Options: options, Created: created, State: it.State, Progress: it.Progress,
		Attempts: it.Attempts, Lease: it.Lease, LeaseUntil: fromMilli(it.LeaseUntil), Finished: fromMilli(it.Finished),
		Expires: fromMilli(it.Expires), MP3Bytes: it.MP3Bytes, Duration: it.Duration, Work: it.Work.work(),
		Failure: library.Failure{Code: it.FailCode, Detail: it.FailDetail}, Announced: it.Announced, Mailed: it.Mailed,
		MailLease: it.MailLease,
	}, nil
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func stringKey(name, value string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{name: &types.AttributeValueMemberS{Value: value}}
}

// Create implements library.Store.
func (s *Files) Create(ctx context.Context, f library.File, forget time.Time) error {
	item, err := toItem(f, forget)
	if err != nil {
		return err
	}
	attrs, err := attributevalue.MarshalMap(item)
	if err != nil {
		return fmt.Errorf("write file item: %w", err)
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: attrs, ConditionExpression: awssdk.String("attribute_not_exists(fid)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return nil
	}
	there, err := conflict(err)
	if errors.Is(err, library.ErrConflict) && there.Owner == f.Owner && there.Created.Equal(f.Created) {
		return nil // a repeated write whose first answer was lost
	}
	return err
}

// Get implements library.Store.
func (s *Files) Get(ctx context.Context, id string) (library.File, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: s.table, Key: stringKey("fid", id), ConsistentRead: awssdk.Bool(true),
	})
	if err != nil {
		return library.File{}, err
	}
	if len(out.Item) == 0 {
		return library.File{}, library.ErrNotFound
	}
	return fromAttributes(out.Item)
}

// Change implements library.Store.
func (s *Files) Change(ctx context.Context, id string, guards []library.Guard, p library.Patch) (library.File, error) {
	expr, err := expression.NewBuilder().WithCondition(anyOf(guards)).WithUpdate(update(p)).Build()
	if err != nil {
		return library.File{}, fmt.Errorf("build update: %w", err)
	}
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.table, Key: stringKey("fid", id),
		ConditionExpression: expr.Condition(), UpdateExpression: expr.Update(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return conflict(err)
	}
	return fromAttributes(out.Attributes)
}

// conflict turns a failed condition into what it means: no item, or an item in another state.
func conflict(err error) (library.File, error) {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return library.File{}, err
	}
	if len(failed.Item) == 0 {
		return library.File{}, library.ErrNotFound
	}
	f, err := fromAttributes(failed.Item)
	if err != nil {
		return library.File{}, err
	}
	return f, library.ErrConflict
}

func anyOf(guards []library.Guard) expression.ConditionBuilder {
	all := make([]expression.ConditionBuilder, 0, len(guards))
	for _, g := range guards {
		c := expression.Name("state").Equal(expression.Value(g.State))
		if g.Lease != "" {
			c = c.And(expression.Name("lease").Equal(expression.Value(g.Lease)))
		}
		if !g.LeaseBefore.IsZero() {
			c = c.And(expression.Name("lease_until").LessThan(expression.Value(g.LeaseBefore.UnixMilli())))
		}
		if !g.UnmailedBefore.IsZero() {
			free := expression.Name("mail_until").AttributeNotExists().
				Or(expression.Name("mail_until").LessThan(expression.Value(g.UnmailedBefore.UnixMilli())))
			c = c.And(expression.Name("mailed").AttributeNotExists(), free)
		}
		if g.MailLease != "" {
			c = c.And(expression.Name("mail_lease").Equal(expression.Value(g.MailLease)))
		}
		all = append(all, c)
	}
	if len(all) == 1 {
		return all[0]
	}
	return expression.Or(all[0], all[1], all[2:]...)
}

func update(p library.Patch) expression.UpdateBuilder {
	var u expression.UpdateBuilder
	set := func(name string, value any) { u = u.Set(expression.Name(name), expression.Value(value)) }
	setTime := func(name string, t time.Time) {
		if !t.IsZero() {
			set(name, t.UnixMilli())
		}
	}
	if p.State != "" {
		set("state", p.State)
	}
	if p.Progress != nil {
		set("progress", *p.Progress)
	}
	if p.AddAttempt {
		u = u.Add(expression.Name("attempts"), expression.Value(1))
	}
	if p.Lease != nil {
		set("lease", *p.Lease)
	}
	setTime("lease_until", p.LeaseUntil)
	setTime("finished", p.Finished)
	setTime("expires", p.Expires)
	setTime("mail_until", p.MailUntil)
	if p.MailLease != "" {
		set("mail_lease", p.MailLease)
	}
	if !p.Forget.IsZero() {
		set("ttl", p.Forget.Unix())
	}
	if p.MP3Bytes != 0 {
		set("mp3_bytes", p.MP3Bytes)
	}
	if p.Duration != 0 {
		set("duration", p.Duration)
	}
	if p.Failure.Code != "" {
		set("failure_code", p.Failure.Code)
		set("failure_detail", p.Failure.Detail)
	}
	if p.Work != (library.Work{}) {
		set("work", workItem(p.Work))
	}
	if p.Announced {
		set("announced", true)
	}
	if p.Mailed {
		set("mailed", true)
	}
	return u
}

// Delete implements library.Store.
func (s *Files) Delete(ctx context.Context, id, owner string, states ...library.State) (library.File, error) {
	cond := expression.Name("owner").Equal(expression.Value(owner))
	if len(states) > 0 {
		guards := make([]library.Guard, len(states))
		for i, state := range states {
			guards[i].State = state
		}
		cond = cond.And(anyOf(guards))
	}
	expr, err := expression.NewBuilder().WithCondition(cond).Build()
	if err != nil {
		return library.File{}, fmt.Errorf("build delete: %w", err)
	}
	out, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: s.table, Key: stringKey("fid", id), ConditionExpression: expr.Condition(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
		ReturnValues:                        types.ReturnValueAllOld,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		f, err := conflict(err)
		if errors.Is(err, library.ErrConflict) && f.Owner != owner {
			return library.File{}, library.ErrNotFound
		}
		return f, err
	}
	return fromAttributes(out.Attributes)
}

// cursor is where a page ended; the owner is not in it, so one person's cursor is of no use to another.
type cursor struct {
	ID      string `json:"f"`
	Created string `json:"c"`
}

// List implements library.Store.
func (s *Files) List(ctx context.Context, owner string, limit int, after string) ([]library.File, string, error) {
	start, err := startKey(owner, after)
	if err != nil {
		return nil, "", err
	}
	expr, err := expression.NewBuilder().WithKeyCondition(expression.Key("owner").Equal(expression.Value(owner))).Build()
	if err != nil {
		return nil, "", fmt.Errorf("build query: %w", err)
	}
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: s.table, IndexName: awssdk.String(ownerIndex), KeyConditionExpression: expr.KeyCondition(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
		ScanIndexForward: awssdk.Bool(false), ExclusiveStartKey: start,
		Limit: awssdk.Int32(int32(limit) + 1), // one more tells whether there is a next page
	})
	var files []library.File
	for pages.HasMorePages() && len(files) <= limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, "", err
		}
		for _, item := range page.Items {
			f, err := fromAttributes(item)
			if err != nil {
				return nil, "", err
			}
			files = append(files, f)
		}
	}
	if len(files) <= limit {
		return files, "", nil
	}
	files = slices.Clip(files[:limit])
	last := files[limit-1]
	next, err := json.Marshal(cursor{ID: last.ID, Created: last.Created.Format(createdLayout)})
	if err != nil {
		return nil, "", fmt.Errorf("write cursor: %w", err)
	}
	return files, base64.RawURLEncoding.EncodeToString(next), nil
}

func startKey(owner, after string) (map[string]types.AttributeValue, error) {
	if after == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil {
		return nil, library.ErrBadCursor
	}
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil || !library.ValidID(c.ID) {
		return nil, library.ErrBadCursor
	}
	if _, err := time.Parse(createdLayout, c.Created); err != nil {
		return nil, library.ErrBadCursor
	}
	key := stringKey("fid", c.ID)
	key["owner"] = &types.AttributeValueMemberS{Value: owner}
	key["created"] = &types.AttributeValueMemberS{Value: c.Created}
	return key, nil
}

// CountUpload implements library.Store. The counter is an item of its own beside the files; without an owner it is not in
// the index.
func (s *Files) CountUpload(ctx context.Context, owner string, day time.Time) (int, error) {
	day = day.UTC()
	key := stringKey("fid", "uploads#"+owner+"#"+day.Format(time.DateOnly))
	return addTo(ctx, s.db, s.table, key, 1, day.Add(48*time.Hour))
}
