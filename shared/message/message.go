// Package message is what people are told by e-mail, and that they are told once: the outcome of each conversion, in
// plain text and HTML.
//
// A message on the queue only says which file has something to tell; what is told is read from the file itself, so a
// message that comes twice, late or out of order does no harm.
package message

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mp3converter/shared/library"
)

// OutcomeVersion is the version of the Outcome message.
const OutcomeVersion = 1

// Outcome is the message from convert to notify: this file has ended in this state.
type Outcome struct {
	Version int           `json:"version"`
	ID      string        `json:"fid"`
	State   library.State `json:"state"`
}

// Mail is one e-mail. Subject is a single line; Text and HTML say the same.
type Mail struct {
	To, Subject, Text, HTML string
}

// Mailer sends an e-mail. When Send returns nil, the mail system has it. An error may also mean that the answer was lost,
// so Send must not try twice by itself.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// Notifier tells owners about outcomes.
type Notifier struct {
	Library *library.Library
	Mailer  Mailer
	// PageURL is the web page's address, for the link.
	PageURL string
	Log     *slog.Logger
}

// Notify sends the e-mail about the file, unless it has been sent, the file is gone, or it is in another state by now.
// An error means that it should be tried again.
func (n *Notifier) Notify(ctx context.Context, o Outcome) error {
	log := n.Log.With("fid", o.ID, "state", o.State)
	if o.Version != OutcomeVersion || !library.ValidID(o.ID) {
		return fmt.Errorf("outcome message has version %d and file ID %q", o.Version, o.ID)
	}
	if o.State != library.Ready && o.State != library.Failed {
		return fmt.Errorf("outcome message about file %s has state %q", o.ID, o.State)
	}
	f, err := n.Library.ClaimMail(ctx, o.ID, o.State)
	switch {
	case errors.Is(err, library.ErrNotFound):
		log.InfoContext(ctx, "no e-mail: the file has been deleted")
		return nil
	case errors.Is(err, library.ErrConflict) && !f.Mailed && f.State == o.State:
		return fmt.Errorf("another sender is at it: %w", err)
	case errors.Is(err, library.ErrConflict):
		log.InfoContext(ctx, "no e-mail: sent already, or the state has changed")
		return nil
	case err != nil:
		return err
	}
	if err := n.Mailer.Send(ctx, compose(f, n.PageURL)); err != nil {
		return errors.Join(err, n.Library.ReleaseMail(ctx, f))
	}
	log.InfoContext(ctx, "e-mail sent")
	return n.Library.MarkMailed(context.WithoutCancel(ctx), f)
}
