package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/progress"
	"mp3converter/cmd/mp3converter/internal/transfer"
)

// pageSize is the largest page the contract gives.
const pageSize = 100

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status FID...",
		Short: "Show how files stand",
		Long: `Show how files stand. The exit code says whether the question could be answered; a conversion that failed is an
answer.`,
		Example:           "  mp3converter status --json abcdefghijklmnopqrstuvwxyz | jq -r .state",
		Args:              fids,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			svc, err := a.connect()
			if err != nil {
				return err
			}
			defer svc.Client.Close()
			var found []api.File
			err = a.batch(ctx, args, 1, func(ctx context.Context, i int, _ *progress.Task) outcome {
				f, err := svc.Client.File(ctx, args[i])
				if err == nil {
					found = append(found, f)
				}
				return outcome{FID: args[i], err: err, quiet: true}
			})
			if len(found) > 0 {
				a.files(found)
			}
			return err
		}),
	}
}

func (a *app) listCommand() *cobra.Command {
	var limit int
	var all bool
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List your files, newest first",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "list at most this `number` of files")
	cmd.Flags().BoolVar(&all, "all", false, "list all files")
	cmd.RunE = a.run(func(ctx context.Context, _ []string) error {
		if all && cmd.Flags().Changed("limit") {
			return usage("--limit and --all exclude each other")
		}
		if limit < 1 {
			return usage("--limit must be at least 1")
		}
		svc, err := a.connect()
		if err != nil {
			return err
		}
		defer svc.Client.Close()
		var files []api.File
		for cursor := ""; ; {
			size := pageSize
			if !all {
				size = min(size, limit-len(files))
			}
			page, err := svc.Client.Files(ctx, size, cursor)
			if err != nil {
				return err
			}
			files = append(files, page.Files...)
			cursor = page.Next
			if cursor == "" || !all && len(files) >= limit {
				break
			}
		}
		if len(files) == 0 && !a.json {
			a.say("You have no files.")
			return nil
		}
		a.files(files)
		return nil
	})
	return cmd
}

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "delete FID...",
		Short:             "Remove files: the record, the video and the MP3",
		Long:              "Remove files from the service: the record, the video and the MP3. A conversion under way stops. Files on this machine stay.",
		Args:              fids,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			svc, err := a.connect()
			if err != nil {
				return err
			}
			defer svc.Client.Close()
			return a.batch(ctx, args, defaultJobs, func(ctx context.Context, i int, _ *progress.Task) outcome {
				o := outcome{FID: args[i], err: svc.Client.Delete(ctx, args[i])}
				if o.err == nil {
					svc.Forget(args[i])
					o.Deleted, o.line = true, args[i]
				}
				return o
			})
		}),
	}
}

func (a *app) downloadCommand() *cobra.Command {
	var out outputFlags
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "download FID...",
		Short: "Fetch MP3s",
		Long: `Fetch MP3s into the current directory, under the name of the video, unless --output says otherwise. The name of the
file is printed.`,
		Example:           "  mp3converter download --wait abcdefghijklmnopqrstuvwxyz -o holiday.mp3",
		Args:              fids,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out.add(cmd)
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait for the conversion if it is not finished")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "with --wait: wait no longer than this, such as 10m")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		where, err := a.place(out, len(args))
		if err != nil {
			return err
		}
		svc, err := a.connect()
		if err != nil {
			return err
		}
		defer svc.Client.Close()
		choose := func(name string) transfer.Target { return where.target(name, name, out.force, a.Stdout) }
		return a.batch(ctx, args, defaultJobs, func(ctx context.Context, i int, t *progress.Task) outcome {
			o := outcome{FID: args[i]}
			if wait {
				if o = a.await(ctx, svc, o, timeout, t); o.err != nil {
					return o
				}
			}
			return a.fetch(ctx, svc, o, choose, t)
		})
	})
	return cmd
}
