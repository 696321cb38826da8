package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// kanikoFolder holds this program and what it works with; it is in no image.
const kanikoFolder = "/kaniko"

var started = time.Now()

func elapsed() int {
	return int(time.Since(started).Seconds())
}

// options are the flags that Switchyard's manifest has. Any other is an error.
type options struct {
	context       string
	dockerfile    string
	destination   string
	target        string
	digestFile    string
	cache         bool
	cacheRepo     string
	cacheCopies   bool
	pushRetry     int
	downloadRetry int
	insecure      []string
	buildArgs     map[string]string
}

func parseOptions(arguments []string) (*options, error) {
	var found options
	var buildArgs []string
	var mode string
	flags := newFlags(&found, &buildArgs, &mode)
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown command %q for \"executor\"", flags.Arg(0))
	}
	if mode != "redo" {
		return nil, fmt.Errorf("the test double has no snapshot mode %q, only redo", mode)
	}
	if found.cache && found.cacheRepo == "" {
		return nil, fmt.Errorf("the test double needs --cache-repo with --cache")
	}
	found.buildArgs = pairs(buildArgs)
	return &found, found.resolve()
}

func newFlags(found *options, buildArgs *[]string, mode *string) *pflag.FlagSet {
	var ignored []string
	flags := pflag.NewFlagSet("executor", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.StringVarP(&found.context, "context", "c", "/workspace/", "folder of the build context, as dir://PATH")
	flags.StringVarP(&found.dockerfile, "dockerfile", "f", "Dockerfile", "path of the Dockerfile")
	flags.StringVarP(&found.destination, "destination", "d", "", "where to push the image")
	flags.StringVar(&found.target, "target", "", "the stage to build")
	flags.StringVar(&found.digestFile, "digest-file", "", "where to write the digest of the image")
	flags.StringArrayVar(buildArgs, "build-arg", nil, "a value of an ARG, as NAME=VALUE")
	flags.BoolVar(&found.cache, "cache", false, "look for layers in a repository, and keep them there")
	flags.StringVar(&found.cacheRepo, "cache-repo", "", "that repository")
	flags.BoolVar(&found.cacheCopies, "cache-copy-layers", false, "do so for COPY, too")
	flags.Bool("compressed-caching", true, "no difference here: layers are never held in memory")
	flags.StringVar(mode, "snapshot-mode", "redo", "what tells that a file has changed")
	flags.IntVar(&found.pushRetry, "push-retry", 0, "how often to push again")
	flags.IntVar(&found.downloadRetry, "image-download-retry", 0, "how often to pull again")
	flags.StringArrayVar(&found.insecure, "insecure-registry", nil, "a registry that speaks http")
	flags.StringArrayVar(&ignored, "credential-helpers", nil, "there are none here")
	return flags
}

func usage() string {
	var mode string
	flags := newFlags(&options{}, new([]string), &mode)
	hint := "\nUse \"executor [command] --help\" for more information about a command.\n"
	return "Usage:\n  executor [flags]\n\nFlags:\n" + flags.FlagUsages() + hint
}

// resolve finds the context and the Dockerfile, which may be named from the context.
func (o *options) resolve() error {
	if o.destination == "" {
		return fmt.Errorf("you must provide --destination, or use --no-push")
	}
	o.context = filepath.Clean(strings.TrimPrefix(o.context, "dir://"))
	if strings.Contains(o.context, ":/") {
		return fmt.Errorf("the test double takes a context from a folder only: %s", o.context)
	}
	for _, path := range []string{o.dockerfile, filepath.Join(o.context, o.dockerfile)} {
		if file, err := os.Stat(path); err == nil && !file.IsDir() {
			o.dockerfile = path
			return nil
		}
	}
	return fmt.Errorf("error resolving dockerfile path: please provide a valid path to a Dockerfile" +
		" within the build context with --dockerfile")
}

// pairs reads NAME=VALUE; a NAME alone has the value of the environment.
func pairs(words []string) map[string]string {
	found := map[string]string{}
	for _, word := range words {
		name, value, given := strings.Cut(word, "=")
		if !given {
			value = os.Getenv(name)
		}
		found[name] = value
	}
	return found
}
