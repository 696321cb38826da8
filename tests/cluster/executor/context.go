package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// buildContext is the folder that COPY takes from, without what .dockerignore leaves out.
type buildContext struct {
	root    string
	ignored *patternmatcher.PatternMatcher
}

func openContext(options *options) (*buildContext, error) {
	found := &buildContext{root: options.context}
	for _, path := range []string{
		options.dockerfile + ".dockerignore", filepath.Join(options.context, ".dockerignore"),
	} {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		patterns, err := ignorefile.ReadAll(file)
		if err != nil {
			return nil, fmt.Errorf("parsing .dockerignore: %w", err)
		}
		found.ignored, err = patternmatcher.New(patterns)
		return found, err
	}
	return found, nil
}

// leavesOut is asked for absolute paths.
func (c *buildContext) leavesOut(path string) bool {
	if c.ignored == nil {
		return false
	}
	name := strings.TrimPrefix(strings.TrimPrefix(path, c.root), "/")
	if name == "" {
		return false
	}
	matches, err := c.ignored.MatchesOrParentMatches(name)
	return err == nil && matches
}
