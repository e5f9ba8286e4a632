package account

import (
	"testing"

	"github.com/alexedwards/argon2id"
)

func TestTheAbsentHashHasTodaysParameters(t *testing.T) {
	t.Parallel()
	p, _, _, err := argon2id.DecodeHash(absentHash)
	if err != nil {
		t.Fatal(err)
	}
	if *p != *hashParams {
		t.Errorf("the hash for unknown users has parameters %+v, new ones %+v", *p, *hashParams)
	}
}

func TestTheAbsentHashOpensToNothing(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "\x00", absentHash, "password"} {
		if ok, weak, err := checkPassword(password, absentHash); ok || weak || err != nil {
			t.Errorf("checking %q gives %v, weak %v, %v", password, ok, weak, err)
		}
	}
}
