// Package aws holds the adapters: the domain's stores, buckets, queues, mail and keys in terms of the S3, DynamoDB, SQS,
// SES v2 and Secrets Manager protocols, which open engines speak too. One file a service.
//
// It is the only package under shared/ that imports the AWS SDK. It holds no decisions: what may follow what is the
// domain's business. Endpoints, region and credentials come from the SDK's usual places (AWS_ENDPOINT_URL and so on).
package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// maxAttempts is the SDK's retry budget for one call: the one retry policy of the project.
const maxAttempts = 4

// Connect reads region, credentials and endpoints from the environment. The result is shared by all adapters.
func Connect(ctx context.Context) (awssdk.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRetryer(func() awssdk.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = maxAttempts
				o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(cutShort))
			})
		}),
		// A presigned PUT must not ask the browser for a checksum that nobody announced.
		awsconfig.WithRequestChecksumCalculation(awssdk.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(awssdk.ResponseChecksumValidationWhenRequired),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(bound)),
	)
	if err != nil {
		return awssdk.Config{}, fmt.Errorf("read AWS configuration: %w", err)
	}
	return cfg, nil
}

// cutShort says that an answer which ended before its time is worth another try; the SDK by itself repeats a request
// only when the connection broke before the answer began. As with those, the first try may have taken effect: the stores
// know their own writes again, and mail is sent with a client that never repeats.
func cutShort(err error) awssdk.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return awssdk.TrueTernary
	}
	return awssdk.UnknownTernary // the others decide
}

// bound limits what a silent server can cost; the bodies themselves are bounded by the caller's context. It changes the
// SDK's own client, because that one heeds AWS_CA_BUNDLE.
func bound(t *http.Transport) {
	t.ResponseHeaderTimeout = 30 * time.Second
	// A connection for each of the ranges that are read at once, and for the parts of an MP3 beside them: one that is not
	// kept costs the next request three round trips. It bounds what is kept, not what is opened: a request that finds
	// none free opens one, even if it takes another that becomes free meanwhile.
	t.MaxIdleConnsPerHost = 32
}
