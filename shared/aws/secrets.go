package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mp3converter/shared/account"
)

const (
	// keysFresh is how long the keys are taken from memory; a rotated key is used everywhere after that.
	keysFresh = 5 * time.Minute
	// keysSettled is how soon an unknown key ID may make us look again, so that forged tokens cannot cause a request each.
	keysSettled = 30 * time.Second
	// keysUsable is how long the keys in memory serve while newer ones cannot be had.
	keysUsable = time.Hour
	// minKeyBytes is what RFC 7518 §3.2 asks of an HS256 key.
	minKeyBytes = 32
)

// Keys are the token signing keys in Secrets Manager: the secret's current version signs, current and previous verify.
// Storing a new version rotates them. A key's ID is its version's.
type Keys struct {
	client *secretsmanager.Client
	id     *string

	mu       sync.Mutex
	current  account.Key
	previous account.Key // zero until the first rotation
	loaded   time.Time
}

// NewKeys returns the keys in the secret with that name or ARN.
func NewKeys(cfg awssdk.Config, secretID string) *Keys {
	return &Keys{client: secretsmanager.NewFromConfig(cfg), id: &secretID}
}

var _ account.KeySource = (*Keys)(nil)

// Current implements account.KeySource.
func (k *Keys) Current(ctx context.Context) (account.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(ctx, keysFresh); err != nil {
		return account.Key{}, err
	}
	return k.current, nil
}

// Find implements account.KeySource.
func (k *Keys) Find(ctx context.Context, id string) (account.Key, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, maxAge := range []time.Duration{keysFresh, keysSettled} {
		if err := k.load(ctx, maxAge); err != nil {
			return account.Key{}, false, err
		}
		for _, key := range []account.Key{k.current, k.previous} {
			if id != "" && key.ID == id {
				return key, true, nil
			}
		}
	}
	return account.Key{}, false, nil
}

func (k *Keys) load(ctx context.Context, maxAge time.Duration) error {
	if !k.loaded.IsZero() && time.Since(k.loaded) < maxAge {
		return nil
	}
	current, err := k.stage(ctx, "AWSCURRENT")
	if err != nil && time.Since(k.loaded) < keysUsable {
		return nil // better a key of a while ago than no sign-in at all
	}
	if err != nil {
		return fmt.Errorf("get signing key: %w", err)
	}
	previous, err := k.stage(ctx, "AWSPREVIOUS")
	var absent *types.ResourceNotFoundException
	if err != nil && !errors.As(err, &absent) {
		return fmt.Errorf("get previous signing key: %w", err)
	}
	k.current, k.previous, k.loaded = current, previous, time.Now()
	return nil
}

func (k *Keys) stage(ctx context.Context, stage string) (account.Key, error) {
	out, err := k.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: k.id, VersionStage: &stage})
	if err != nil {
		return account.Key{}, err
	}
	secret := awssdk.ToString(out.SecretString)
	if len(secret) < minKeyBytes {
		return account.Key{}, fmt.Errorf("the secret is shorter than %d bytes", minKeyBytes)
	}
	return account.Key{ID: awssdk.ToString(out.VersionId), Secret: []byte(secret)}, nil
}
