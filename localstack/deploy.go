package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
)

const (
	stackName     = "mp3converter"
	codeBucket    = stackName + "-code"
	deploymentTag = "deployment"
)

// cloud is the emulator, spoken to as if it were AWS.
type cloud struct {
	cfn *cloudformation.Client
	s3  *s3.Client
	api *apigatewayv2.Client
	fn  *lambda.Client
	ses *sesv2.Client
}

func newCloud(endpoint string) cloud {
	config := aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	}
	return cloud{
		cfn: cloudformation.NewFromConfig(config),
		s3:  s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
		api: apigatewayv2.NewFromConfig(config),
		fn:  lambda.NewFromConfig(config),
		ses: sesv2.NewFromConfig(config),
	}
}

// deployment is a template with its code and parameters.
type deployment struct {
	template   []byte // code locations replaced by objects in codeBucket
	parameters map[string]string
	archives   []archive
}

// fingerprint tells deployments apart; the code is in it by its keys in the template.
func (d deployment) fingerprint() string {
	names := make([]string, 0, len(d.parameters))
	for name := range d.parameters {
		names = append(names, name)
	}
	sort.Strings(names)
	h := sha256.New()
	h.Write(d.template)
	for _, name := range names {
		fmt.Fprintf(h, "\n%s=%s", name, d.parameters[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// deploy brings the stack to the deployment's state and returns its outputs; changed is false if it was there already.
func (c cloud) deploy(ctx context.Context, d deployment) (outputs map[string]string, changed bool, err error) {
	stack, err := c.describe(ctx)
	if err != nil {
		return nil, false, err
	}
	fingerprint := d.fingerprint()
	if stack != nil && tagOf(stack, deploymentTag) == fingerprint && settled(stack.StackStatus) == nil {
		return outputsOf(stack), false, nil
	}
	if stack != nil && (stack.StackStatus == cfntypes.StackStatusRollbackComplete || stack.StackStatus == cfntypes.StackStatusCreateFailed) {
		// A stack whose creation failed can only be deleted.
		if _, err := c.cfn.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String(stackName)}); err != nil {
			return nil, false, fmt.Errorf("delete the stack whose creation failed: %w", err)
		}
		if stack, err = c.wait(ctx); err != nil {
			return nil, false, err
		}
	}
	if err := c.upload(ctx, d.archives); err != nil {
		return nil, false, err
	}
	if err := c.apply(ctx, d, fingerprint, stack == nil); err != nil {
		return nil, false, err
	}
	if stack, err = c.wait(ctx); err != nil {
		return nil, false, err
	}
	if stack == nil {
		return nil, false, errors.New("the stack is gone after its deployment")
	}
	if err := settled(stack.StackStatus); err != nil {
		return nil, false, fmt.Errorf("deploy the template: %w\n%s", err, c.failures(ctx))
	}
	return outputsOf(stack), true, c.prune(ctx, d.archives)
}

func (c cloud) apply(ctx context.Context, d deployment, fingerprint string, create bool) error {
	var parameters []cfntypes.Parameter
	for name, value := range d.parameters {
		parameters = append(parameters, cfntypes.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(value)})
	}
	capabilities := []cfntypes.Capability{cfntypes.CapabilityCapabilityIam, cfntypes.CapabilityCapabilityAutoExpand}
	tags := []cfntypes.Tag{{Key: aws.String(deploymentTag), Value: aws.String(fingerprint)}}
	if create {
		_, err := c.cfn.CreateStack(ctx, &cloudformation.CreateStackInput{
			StackName: aws.String(stackName), TemplateBody: aws.String(string(d.template)),
			Parameters: parameters, Capabilities: capabilities, Tags: tags,
		})
		if err != nil {
			return fmt.Errorf("create the stack: %w", err)
		}
		return nil
	}
	_, err := c.cfn.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: aws.String(stackName), TemplateBody: aws.String(string(d.template)),
		Parameters: parameters, Capabilities: capabilities, Tags: tags,
	})
	if err != nil && !strings.Contains(err.Error(), "No updates are to be performed") {
		return fmt.Errorf("update the stack: %w", err)
	}
	return nil
}

// describe is the stack, or nil if there is none.
func (c cloud) describe(ctx context.Context) (*cfntypes.Stack, error) {
	answer, err := c.cfn.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(stackName)})
	if err != nil {
		if strings.Contains(err.Error(), "does not exist") {
			return nil, nil
		}
		return nil, fmt.Errorf("describe the stack: %w", err)
	}
	if len(answer.Stacks) == 0 || answer.Stacks[0].StackStatus == cfntypes.StackStatusDeleteComplete {
		return nil, nil
	}
	return &answer.Stacks[0], nil
}

// wait returns the stack, or nil if there is none, once nothing is in progress.
func (c cloud) wait(ctx context.Context) (*cfntypes.Stack, error) {
	var stack *cfntypes.Stack
	var failure error
	err := poll(ctx, func() bool {
		stack, failure = c.describe(ctx)
		return failure != nil || stack == nil || !strings.HasSuffix(string(stack.StackStatus), "_IN_PROGRESS")
	})
	return stack, errors.Join(err, failure)
}

// settled is nil for a stack that is as its template says.
func settled(status cfntypes.StackStatus) error {
	if status == cfntypes.StackStatusCreateComplete || status == cfntypes.StackStatusUpdateComplete {
		return nil
	}
	return fmt.Errorf("the stack's status is %s", status)
}

// failures are the reasons CloudFormation gives for what did not work.
func (c cloud) failures(ctx context.Context) string {
	answer, err := c.cfn.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: aws.String(stackName)})
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, event := range answer.StackEvents {
		if strings.HasSuffix(string(event.ResourceStatus), "_FAILED") {
			lines = append(lines, fmt.Sprintf("  %s: %s", aws.ToString(event.LogicalResourceId), aws.ToString(event.ResourceStatusReason)))
		}
	}
	return strings.Join(lines, "\n")
}

// upload puts the code where the template says it is.
func (c cloud) upload(ctx context.Context, archives []archive) error {
	if _, err := c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(codeBucket)}); err != nil && !hasCode(err, "BucketAlreadyOwnedByYou", "BucketAlreadyExists") {
		return fmt.Errorf("create the bucket for code: %w", err)
	}
	for _, a := range archives {
		if _, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(codeBucket), Key: aws.String(a.Key)}); err == nil {
			continue
		}
		_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(codeBucket), Key: aws.String(a.Key), Body: bytes.NewReader(a.Data)})
		if err != nil {
			return fmt.Errorf("upload code: %w", err)
		}
	}
	return nil
}

// prune removes the code of earlier deployments, which would otherwise fill the disk: 100 MB each.
func (c cloud) prune(ctx context.Context, keep []archive) error {
	objects, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(codeBucket)})
	if err != nil {
		return fmt.Errorf("list old code: %w", err)
	}
	for _, object := range objects.Contents {
		if slices.ContainsFunc(keep, func(a archive) bool { return a.Key == aws.ToString(object.Key) }) {
			continue
		}
		if _, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(codeBucket), Key: object.Key}); err != nil {
			return fmt.Errorf("remove old code: %w", err)
		}
	}
	return nil
}

// verifySender makes the sender an identity that SES may send from. In an AWS account its owner does that by hand.
func (c cloud) verifySender(ctx context.Context, address string) error {
	_, err := c.ses.CreateEmailIdentity(ctx, &sesv2.CreateEmailIdentityInput{EmailIdentity: aws.String(address)})
	var exists *sestypes.AlreadyExistsException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("verify the sender %s: %w", address, err)
	}
	return nil
}

func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

func tagOf(stack *cfntypes.Stack, key string) string {
	for _, tag := range stack.Tags {
		if aws.ToString(tag.Key) == key {
			return aws.ToString(tag.Value)
		}
	}
	return ""
}

func outputsOf(stack *cfntypes.Stack) map[string]string {
	outputs := map[string]string{}
	for _, output := range stack.Outputs {
		outputs[aws.ToString(output.OutputKey)] = aws.ToString(output.OutputValue)
	}
	return outputs
}
