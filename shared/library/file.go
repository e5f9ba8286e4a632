// Package library is a person's files: the record of each, the states it goes through, and every legal step from one
// state to the next.
//
//	awaiting_upload → queued → converting → ready | failed → expired
//
// Each step is one conditional write that names the state it leaves, so an event that comes twice, late or out of order
// changes nothing. The package knows no database: a Store applies the writes. "Expired" is not written but follows from
// the clock, as nothing has to run for it to happen.
package library

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"regexp"
	"strings"
	"time"

	"mp3converter/shared/audio"
)

// Errors that callers tell apart.
var (
	// ErrNotFound means that there is no such file, or that it is somebody else's.
	ErrNotFound = errors.New("no such file")
	// ErrConflict means that the file is not in a state that this step leaves.
	ErrConflict = errors.New("file is in another state")
	// ErrQuota means that the owner has announced as many uploads as one day allows.
	ErrQuota = errors.New("daily quota of uploads reached")
	// ErrBadCursor means that a list cursor is not one this service gave out to this owner.
	ErrBadCursor = errors.New("not a valid cursor")
)

// State is where a file is in its life.
type State string

// The states, in order.
const (
	AwaitingUpload State = "awaiting_upload"
	Queued         State = "queued"
	Converting     State = "converting"
	Ready          State = "ready"
	Failed         State = "failed"
	Expired        State = "expired"
)

// Failure is why a file ended Failed.
type Failure struct {
	// Code is stable; docs/problems.md lists the codes.
	Code string
	// Detail is one sentence for the person.
	Detail string
}

// File is one video on its way to an MP3.
type File struct {
	ID string
	// Owner is a user's ID; Email is where the outcome is announced.
	Owner, Email string
	// Filename is what the person called the video; it is never used as a path or a key.
	Filename string
	// Size of the video in bytes, as announced.
	Size int64
	// ContentType and SHA256 (hex) are signed into the upload URL when they were announced; else empty.
	ContentType, SHA256 string
	// Options are as they were asked for, since what is left to the defaults need not be encoded at all.
	Options audio.Options
	Created time.Time

	State State
	// Progress is 0 to 100.
	Progress int
	// Attempts counts how often a conversion was begun.
	Attempts int
	// Lease is the token of the conversion under way, worth something until LeaseUntil.
	Lease      string
	LeaseUntil time.Time

	// Finished is when the file became Ready or Failed; Expires is when the MP3 goes.
	Finished, Expires time.Time
	MP3Bytes          int64
	Duration          time.Duration
	Failure           Failure
	// Work is what the conversion took, as far as it has ended.
	Work Work

	// Announced says that the outcome has been handed to the queue; Mailed, that the e-mail has been sent.
	Announced, Mailed bool
	// MailLease is the token of the sender that took the right to send the e-mail last.
	MailLease string
}

// StateAt is the file's state as a person sees it at that time: a finished file expires when its time is up, and so does
// an announcement that no upload followed.
func (f File) StateAt(now time.Time) State {
	if f.State == AwaitingUpload && !now.Before(f.Created.Add(UploadWindow+UploadTTL)) {
		return Expired
	}
	if f.Finished.IsZero() || now.Before(f.Expires) {
		return f.State
	}
	return Expired
}

// Finished states are final but for expiry.
func (s State) finished() bool { return s == Ready || s == Failed }

// MP3Name is the file name a download gets: the video's, with its extension replaced.
func (f File) MP3Name() string {
	base := f.Filename
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return base + ".mp3"
}

var idPattern = regexp.MustCompile(`^[a-z2-7]{26}$`)

// ValidID says whether s has the form of a file's ID: 128 bits in lower-case base32.
func ValidID(s string) bool { return idPattern.MatchString(s) }

// newID returns 128 random bits in lower-case base32 without padding.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}
