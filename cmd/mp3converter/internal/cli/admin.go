package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/shared/account"
)

// adminUser is a user as --json writes it; the password's hash is nobody's business.
type adminUser struct {
	Email    string    `json:"email"`
	ID       string    `json:"id,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Disabled bool      `json:"disabled"`
}

func (a *app) adminCommand() *cobra.Command {
	admin := &cobra.Command{
		Use:   "admin",
		Short: "Manage the service; needs AWS credentials",
		Long: `Manage the service. These commands work on its DynamoDB table and not through its API: they need AWS credentials and
a region in the places where the AWS command line has them (AWS_PROFILE, AWS_REGION, …), and the name of the table.`,
	}
	group(admin)
	var table string
	admin.PersistentFlags().StringVar(&table, "table", "", "the `name` of the table of users; else "+envTable)
	user := &cobra.Command{Use: "user", Short: "Manage the people who may sign in"}
	group(user)
	admin.AddCommand(user)
	service := func(ctx context.Context) (*account.Service, error) {
		name := firstOf(table, a.Getenv(envTable))
		if name == "" {
			return nil, usage("which table? give --table or set " + envTable)
		}
		users, err := a.Users(ctx, name)
		if err != nil {
			return nil, err
		}
		return account.NewService(account.Config{Users: users, Now: a.Now}), nil
	}
	user.AddCommand(
		a.passwordCommand("add EMAIL", "Let a person sign in", service, func(ctx context.Context, s *account.Service, email, password string) (adminUser, string, error) {
			u, err := s.Add(ctx, email, password)
			return describe(u), u.Email + " may sign in.", err
		}),
		a.passwordCommand("passwd EMAIL", "Give a person a new password", service, func(ctx context.Context, s *account.Service, email, password string) (adminUser, string, error) {
			err := s.SetPassword(ctx, email, password)
			return adminUser{Email: email}, email + " has a new password.", err
		}),
		a.disableCommand("disable", "Stop a person from signing in; tokens given out run to their end", true, service),
		a.disableCommand("enable", "Let a person sign in again", false, service),
		a.usersCommand(service),
	)
	return admin
}

func describe(u account.User) adminUser {
	return adminUser{Email: u.Email, ID: u.ID, Created: u.Created, Disabled: u.Disabled}
}

type openAccounts func(context.Context) (*account.Service, error)

// passwordCommand is a command that takes a person and their new password.
func (a *app) passwordCommand(use, short string, open openAccounts, do func(ctx context.Context, s *account.Service, email, password string) (adminUser, string, error)) *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long: fmt.Sprintf(`%s. The password, of at least %d characters, is asked for twice, or taken from %s, or read
from standard input with --password-stdin.`, short, account.MinPasswordBytes, envPassword),
		Args:              arguments(1, 1, "whose account? give the e-mail address"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input, up to the end of the line")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		email, err := account.CanonicalEmail(args[0])
		if err != nil {
			return err
		}
		accounts, err := open(ctx)
		if err != nil {
			return err
		}
		password, err := a.askPassword(fromStdin, "New password for "+email+": ", true)
		if err != nil {
			return err
		}
		user, line, err := do(ctx, accounts, email, password)
		if err != nil {
			return err
		}
		a.result(user, line)
		return nil
	})
	return cmd
}

func (a *app) disableCommand(name, short string, disabled bool, open openAccounts) *cobra.Command {
	return &cobra.Command{
		Use:               name + " EMAIL",
		Short:             short,
		Args:              arguments(1, 1, "whose account? give the e-mail address"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			email, err := account.CanonicalEmail(args[0])
			if err != nil {
				return err
			}
			accounts, err := open(ctx)
			if err != nil {
				return err
			}
			if err := accounts.SetDisabled(ctx, email, disabled); err != nil {
				return err
			}
			a.result(adminUser{Email: email, Disabled: disabled}, email+" is "+name+"d.")
			return nil
		}),
	}
}

func (a *app) usersCommand(open openAccounts) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Short:             "List the people who may sign in",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			accounts, err := open(ctx)
			if err != nil {
				return err
			}
			users, err := accounts.List(ctx)
			if err != nil {
				return err
			}
			if a.json {
				for _, u := range users {
					a.emit(describe(u))
				}
				return nil
			}
			w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
			a.row(w, "E-MAIL", "ID", "CREATED", "DISABLED")
			for _, u := range users {
				disabled := "no"
				if u.Disabled {
					disabled = "yes"
				}
				a.row(w, printable(u.Email), u.ID, u.Created.Local().Format("2006-01-02"), disabled)
			}
			return w.Flush()
		}),
	}
}
