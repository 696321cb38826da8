package main

import (
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

var platform = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// variables are what a word of the Dockerfile may use: the ARGs that were declared, and ENV, which
// wins.
type variables struct {
	lex   *shell.Lex
	given map[string]string
	outer map[string]string
	args  map[string]string
	env   []string
}

func newVariables(escape rune, given, outer map[string]string) *variables {
	return &variables{
		lex: shell.NewLex(escape), given: given, outer: outer, args: map[string]string{},
	}
}

// platformArgs are known before the first FROM without being declared.
func platformArgs() map[string]string {
	found := map[string]string{}
	for _, side := range []string{"BUILD", "TARGET"} {
		found[side+"PLATFORM"] = platform.String()
		found[side+"OS"] = platform.OS
		found[side+"ARCH"] = platform.Architecture
	}
	return found
}

// declare takes the value that was given, or else the default, or else that from before FROM.
func (v *variables) declare(arg instructions.KeyValuePairOptional) {
	if value, given := v.given[arg.Key]; given {
		v.args[arg.Key] = value
	} else if arg.Value != nil {
		v.args[arg.Key] = *arg.Value
	} else if value, known := v.outer[arg.Key]; known {
		v.args[arg.Key] = value
	}
}

// all is NAME=VALUE of each, sorted.
func (v *variables) all() []string {
	found := map[string]string{}
	for name, value := range v.args {
		found[name] = value
	}
	for _, pair := range v.env {
		name, value, _ := strings.Cut(pair, "=")
		found[name] = value
	}
	pairs := make([]string, 0, len(found))
	for name, value := range found {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return pairs
}

func (v *variables) expand(word string) (string, error) {
	result, _, err := v.lex.ProcessWord(word, shell.EnvsFromSlice(v.all()))
	return result, err
}

func (v *variables) words(text string) ([]string, error) {
	return v.lex.ProcessWords(text, shell.EnvsFromSlice(v.all()))
}

// set is ENV: in its place where it is there already.
func set(env []string, name, value string) []string {
	for number, pair := range env {
		if strings.HasPrefix(pair, name+"=") {
			env[number] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

func value(env []string, name string) (string, bool) {
	for _, pair := range env {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value, true
		}
	}
	return "", false
}
