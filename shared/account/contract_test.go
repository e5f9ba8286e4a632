package account_test

import (
	"testing"

	"mp3converter/shared/account/accounttest"
)

func TestMemoryKeepsTheContractOfUsersAndCounters(t *testing.T) {
	t.Parallel()
	accounttest.Contract(t, func(*testing.T) accounttest.Store { return &accounttest.Memory{} })
}
