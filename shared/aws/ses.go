package aws

import (
	"context"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"mp3converter/shared/message"
)

// Mail sends e-mails through SES v2.
type Mail struct {
	client *sesv2.Client
	sender *string
}

// NewMail returns a mailer that sends as sender, an address or domain verified with SES.
func NewMail(cfg awssdk.Config, sender string) *Mail {
	// A repeated request could be a second e-mail; the queue repeats, with the file's record in between.
	client := sesv2.NewFromConfig(cfg, func(o *sesv2.Options) { o.Retryer = awssdk.NopRetryer{} })
	return &Mail{client: client, sender: &sender}
}

// Send implements message.Mailer. SES builds the MIME message from separate fields, so no header can be smuggled in.
func (m *Mail) Send(ctx context.Context, mail message.Mail) error {
	text := func(s string) *types.Content {
		return &types.Content{Data: awssdk.String(s), Charset: awssdk.String("UTF-8")}
	}
	_, err := m.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: m.sender,
		Destination:      &types.Destination{ToAddresses: []string{mail.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: text(mail.Subject),
			Body:    &types.Body{Text: text(mail.Text), Html: text(mail.HTML)},
		}},
	})
	if err != nil {
		return fmt.Errorf("send e-mail: %w", err)
	}
	return nil
}
