package aws_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mp3converter/shared/account"
	"mp3converter/shared/aws"
)

// secret is a signing key of this test's own, so that nobody's session ends when it is rotated.
type secret struct {
	cfg    awssdk.Config
	client *secretsmanager.Client
	name   string
}

func newSecret(t *testing.T, value string) secret {
	t.Helper()
	cfg := connect(t)
	s := secret{cfg: cfg, client: secretsmanager.NewFromConfig(cfg), name: "test-" + rand.Text()}
	if _, err := s.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &s.name, SecretString: &value}); err != nil {
		t.Fatalf("create secret: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err := s.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{
			SecretId: &s.name, ForceDeleteWithoutRecovery: awssdk.Bool(true),
		})
		if err != nil {
			t.Errorf("delete secret: %v", err)
		}
	})
	return s
}

func (s secret) rotate(t *testing.T) {
	t.Helper()
	_, err := s.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &s.name, SecretString: awssdk.String(strings.Repeat(rand.Text(), 3)),
	})
	if err != nil {
		t.Fatalf("rotate: %v", err)
	}
}

// tokens is a function that starts now.
func (s secret) tokens() *account.Tokens {
	return &account.Tokens{Keys: aws.NewKeys(s.cfg, s.name), Issuer: "mp3converter", TTL: time.Hour}
}

func TestATokenOutlivesOneRotationAndNotTwo(t *testing.T) {
	t.Parallel()
	s := newSecret(t, strings.Repeat("k", 64))
	anna := account.User{ID: "anna", Email: "anna@example.com"}
	running := s.tokens()
	first, err := running.Issue(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := running.Verify(t.Context(), first); err != nil || who.UserID != anna.ID {
		t.Fatalf("verified as %+v, %v", who, err)
	}

	s.rotate(t)
	if _, err := s.tokens().Verify(t.Context(), first); err != nil {
		t.Errorf("after one rotation: %v", err)
	}
	second, err := s.tokens().Issue(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.tokens().Verify(t.Context(), second); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	if third, err := running.Issue(t.Context(), anna); err != nil {
		t.Errorf("a function that has the old key in memory: %v", err)
	} else if _, err := s.tokens().Verify(t.Context(), third); err != nil {
		t.Errorf("what a function signed with the old key: %v", err)
	}

	s.rotate(t)
	if _, err := s.tokens().Verify(t.Context(), first); !errors.Is(err, account.ErrTokenInvalid) {
		t.Errorf("after two rotations: %v, want %v", err, account.ErrTokenInvalid)
	}
	if _, err := s.tokens().Verify(t.Context(), second); err != nil {
		t.Errorf("a token of the key before, after one rotation: %v", err)
	}
}

func TestAKeyThatIsTooShortIsNotUsed(t *testing.T) {
	t.Parallel()
	const short = "only thirty-one bytes long, hm."
	s := newSecret(t, short)
	_, err := s.tokens().Issue(t.Context(), account.User{ID: "anna", Email: "anna@example.com"})
	if err == nil || strings.Contains(err.Error(), short) {
		t.Errorf("error is %v, want one that does not tell the secret", err)
	}
}

func TestASecretThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	keys := aws.NewKeys(connect(t), "test-"+rand.Text())
	if key, err := keys.Current(t.Context()); err == nil {
		t.Errorf("there is a key %s", key.ID)
	}
	if _, ok, err := keys.Find(t.Context(), "x"); err == nil || ok {
		t.Errorf("a key is found: %v, %v", ok, err)
	}
}
