package account

import (
	"fmt"

	"github.com/alexedwards/argon2id"
)

// hashParams are OWASP's first recommendation for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
// Raising them rehashes each password at its owner's next login.
var hashParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// absentHash is checked when there is no user, so that an unknown address costs the same time as a wrong password.
// It was made with hashParams (a test holds it to them) from a password that nobody kept.
const absentHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func hashPassword(password string) (string, error) {
	hash, err := argon2id.CreateHash(password, hashParams)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// checkPassword compares in constant time and says whether the hash was made with weaker parameters than today's.
func checkPassword(password, hash string) (ok, weak bool, err error) {
	ok, p, err := argon2id.CheckHash(password, hash)
	if err != nil {
		return false, false, fmt.Errorf("check password hash: %w", err)
	}
	weak = p.Memory < hashParams.Memory || p.Iterations < hashParams.Iterations || p.KeyLength < hashParams.KeyLength ||
		p.SaltLength < hashParams.SaltLength
	return ok, weak, nil
}
