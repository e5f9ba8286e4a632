package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the client's version",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.run(func(context.Context, []string) error { return a.version() }),
	}
}

func (a *app) version() error {
	v := a.Version
	parts := []string{"mp3converter", v.Version}
	if v.Commit != "" {
		parts = append(parts, v.Commit)
	}
	a.result(v, strings.Join(append(parts, v.Go, v.System), " "))
	return nil
}
