package aws_test

import (
	"testing"

	"mp3converter/shared/account/accounttest"
	"mp3converter/shared/aws"
)

func TestUsersKeepTheContractOfUsersAndCounters(t *testing.T) {
	t.Parallel()
	users := aws.NewUsers(connect(t), setting(t, "USERS_TABLE"))
	accounttest.Contract(t, func(*testing.T) accounttest.Store { return users })
}
