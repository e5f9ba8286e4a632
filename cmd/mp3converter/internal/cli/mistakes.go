package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unlimited is the most arguments of a command that takes any number.
const unlimited = math.MaxInt

// arguments says how many arguments a command takes, and what is missing when there are too few.
func arguments(least, most int, missing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(missing)
		case len(args) <= most:
			return nil
		case most == 0:
			return usage(fmt.Sprintf("%s takes no argument, but there is %q", name(cmd), args[0]))
		}
		return usage(fmt.Sprintf("%q is one argument too many", args[most]))
	}
}

// group makes a command that only has subcommands: alone it shows its help, with anything else it is a mistake.
func group(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("there is no command %q", strings.TrimSpace(name(cmd)+" "+args[0]))
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usage(text + "; did you mean " + strings.Join(near, " or ") + "?")
		}
		if info, err := os.Stat(args[0]); err == nil && info.Mode().IsRegular() && !cmd.HasParent() {
			return usage(text + "; to convert that file: " + cmd.Name() + " convert " + args[0])
		}
		return usage(text)
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// name is a command's without the program's.
func name(cmd *cobra.Command) string {
	return strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()))
}

// flagMistake says what is wrong with an option, in the way this program says things.
func flagMistake(_ *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usage("there is no option " + dashed(e.GetSpecifiedName(), e.GetSpecifiedShortnames()))
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usage(dashed(e.GetSpecifiedName(), e.GetSpecifiedShortnames()) + " wants a value")
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		wanted := "acceptable"
		switch e.GetFlag().Value.Type() {
		case "int":
			wanted = "a whole number"
		case "duration":
			wanted = "a duration such as 90s or 10m"
		case "bool":
			wanted = "true or false"
		}
		return usage(fmt.Sprintf("--%s %q is not %s", e.GetFlag().Name, e.GetValue(), wanted))
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return usage(fmt.Sprintf("%q is not an option", e.GetSpecifiedFlag()))
	}
	return err
}

// dashed is an option as it was written: shorthands is not empty when it was a letter among others.
func dashed(name, shorthands string) string {
	if shorthands != "" {
		return "-" + name
	}
	return "--" + name
}
