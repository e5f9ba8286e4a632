package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// redeliver sends the storage events of recent uploads once more. Lambda keeps events that have not been dealt with;
// the emulator has them in memory only, and a restart in the middle of a conversion would leave a file unfinished.
// Events may arrive more than once by contract, so the finished ones do no harm.
func (c cloud) redeliver(ctx context.Context, bucket, function string) error {
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list uploads: %w", err)
		}
		for _, object := range page.Contents {
			if time.Since(aws.ToTime(object.LastModified)) > 24*time.Hour {
				continue
			}
			event, err := objectCreated(bucket, aws.ToString(object.Key), aws.ToString(object.ETag), aws.ToInt64(object.Size), aws.ToTime(object.LastModified))
			if err != nil {
				return err
			}
			_, err = c.fn.Invoke(ctx, &lambda.InvokeInput{
				FunctionName: aws.String(function), InvocationType: lambdatypes.InvocationTypeEvent, Payload: event,
			})
			if err != nil {
				return fmt.Errorf("send the event of an upload again: %w", err)
			}
		}
	}
	return nil
}

// objectCreated is the event S3 sends when an object has arrived.
func objectCreated(bucket, key, etag string, size int64, at time.Time) ([]byte, error) {
	type object = map[string]any
	return json.Marshal(object{"Records": []object{{
		"eventVersion": "2.1",
		"eventSource":  "aws:s3",
		"awsRegion":    region,
		"eventTime":    at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"eventName":    "ObjectCreated:Put",
		"s3": object{
			"s3SchemaVersion": "1.0",
			"bucket":          object{"name": bucket, "arn": "arn:aws:s3:::" + bucket},
			"object":          object{"key": url.QueryEscape(key), "size": size, "eTag": strings.Trim(etag, `"`)},
		},
	}}})
}
