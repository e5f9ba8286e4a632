package aws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"mp3converter/shared/account"
)

// Users keeps people, and the counters of their failed sign-ins, in a DynamoDB table: partition key pk ("user#…" or
// "attempts#…"), TTL on ttl, which only counters have.
type Users struct {
	db    *dynamodb.Client
	table *string
}

// NewUsers returns the store on that table.
func NewUsers(cfg awssdk.Config, table string) *Users {
	return &Users{db: dynamodb.NewFromConfig(cfg), table: &table}
}

var (
	_ account.Users    = (*Users)(nil)
	_ account.Counters = (*Users)(nil)
)

const (
	userPrefix    = "user#"
	counterPrefix = "attempts#"
)

type userItem struct {
	Key      string `dynamodbav:"pk"`
	ID       string `dynamodbav:"id"`
	Email    string `dynamodbav:"email"`
	Hash     string `dynamodbav:"password_hash"`
	Disabled bool   `dynamodbav:"disabled"`
	Created  int64  `dynamodbav:"created"`
}

func (it userItem) user() account.User {
	return account.User{
		ID: it.ID, Email: it.Email, PasswordHash: it.Hash, Disabled: it.Disabled, Created: fromMilli(it.Created),
	}
}

// Find implements account.Users.
func (s *Users) Find(ctx context.Context, email string) (account.User, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: s.table, Key: stringKey("pk", userPrefix+email), ConsistentRead: awssdk.Bool(true),
	})
	if err != nil {
		return account.User{}, err
	}
	if len(out.Item) == 0 {
		return account.User{}, account.ErrUnknownUser
	}
	var it userItem
	if err := attributevalue.UnmarshalMap(out.Item, &it); err != nil {
		return account.User{}, fmt.Errorf("read user item: %w", err)
	}
	return it.user(), nil
}

// Create implements account.Users.
func (s *Users) Create(ctx context.Context, u account.User) error {
	attrs, err := attributevalue.MarshalMap(userItem{
		Key: userPrefix + u.Email, ID: u.ID, Email: u.Email, Hash: u.PasswordHash, Disabled: u.Disabled,
		Created: u.Created.UnixMilli(),
	})
	if err != nil {
		return fmt.Errorf("write user item: %w", err)
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: attrs, ConditionExpression: awssdk.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return err
	}
	var there userItem
	if err := attributevalue.UnmarshalMap(failed.Item, &there); err == nil && there.ID == u.ID {
		return nil // a repeated write whose first answer was lost
	}
	return account.ErrUserExists
}

// SetPasswordHash implements account.Users.
func (s *Users) SetPasswordHash(ctx context.Context, email, old, hash string) error {
	return s.change(ctx, email, expression.Name("password_hash").Equal(expression.Value(old)),
		expression.Set(expression.Name("password_hash"), expression.Value(hash)))
}

// SetDisabled implements account.Users.
func (s *Users) SetDisabled(ctx context.Context, email string, disabled bool) error {
	return s.change(ctx, email, expression.Name("pk").AttributeExists(),
		expression.Set(expression.Name("disabled"), expression.Value(disabled)))
}

func (s *Users) change(ctx context.Context, email string, c expression.ConditionBuilder, u expression.UpdateBuilder) error {
	expr, err := expression.NewBuilder().WithCondition(c).WithUpdate(u).Build()
	if err != nil {
		return fmt.Errorf("build update: %w", err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.table, Key: stringKey("pk", userPrefix+email), ConditionExpression: expr.Condition(),
		UpdateExpression: expr.Update(), ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
	})
	if failedCondition(err) {
		return account.ErrUnknownUser
	}
	return err
}

func failedCondition(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// List implements account.Users. It reads the whole table: for the administrator's tool, not for functions.
func (s *Users) List(ctx context.Context) ([]account.User, error) {
	expr, err := expression.NewBuilder().WithFilter(expression.Name("pk").BeginsWith(userPrefix)).Build()
	if err != nil {
		return nil, fmt.Errorf("build scan: %w", err)
	}
	pages := dynamodb.NewScanPaginator(s.db, &dynamodb.ScanInput{
		TableName: s.table, FilterExpression: expr.Filter(), ExpressionAttributeNames: expr.Names(),
		ExpressionAttributeValues: expr.Values(), ConsistentRead: awssdk.Bool(true),
	})
	var users []account.User
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, attrs := range page.Items {
			var it userItem
			if err := attributevalue.UnmarshalMap(attrs, &it); err != nil {
				return nil, fmt.Errorf("read user item: %w", err)
			}
			if strings.HasPrefix(it.Key, userPrefix) {
				users = append(users, it.user())
			}
		}
	}
	return users, nil
}

// Add implements account.Counters.
func (s *Users) Add(ctx context.Context, key string, n int, expires time.Time) (int, error) {
	return addTo(ctx, s.db, s.table, stringKey("pk", counterPrefix+key), n, expires)
}

// addTo adds n to the counter that is the item with this key, in one atomic step, and returns the sum.
func addTo(ctx context.Context, db *dynamodb.Client, table *string, key map[string]types.AttributeValue, n int, expires time.Time) (int, error) {
	expr, err := expression.NewBuilder().WithUpdate(
		expression.Add(expression.Name("count"), expression.Value(n)).
			Set(expression.Name("ttl"), expression.Value(expires.Unix()))).Build()
	if err != nil {
		return 0, fmt.Errorf("build update: %w", err)
	}
	out, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: table, Key: key, UpdateExpression: expr.Update(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
		ReturnValues: types.ReturnValueUpdatedNew,
	})
	if err != nil {
		return 0, err
	}
	count, ok := out.Attributes["count"].(*types.AttributeValueMemberN)
	if !ok {
		return 0, errors.New("the counter has no count")
	}
	return strconv.Atoi(count.Value)
}
