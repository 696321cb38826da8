package main

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// configure does the lines that change no file.
func (s *stage) configure(command instructions.Command) error {
	switch command := command.(type) {
	case *instructions.ArgCommand:
		for _, arg := range command.Args {
			s.variables.declare(arg)
		}
	case *instructions.EnvCommand:
		for _, pair := range command.Env {
			s.config.Env = set(s.config.Env, pair.Key, pair.Value)
		}
		s.variables.env = s.config.Env
	case *instructions.LabelCommand:
		s.config.Labels = labelled(s.config.Labels, command.Labels)
	case *instructions.MaintainerCommand:
	case *instructions.ExposeCommand:
		return s.expose(command.Ports)
	case *instructions.VolumeCommand:
		s.config.Volumes = added(s.config.Volumes, command.Volumes)
	case *instructions.UserCommand:
		s.config.User = command.User
	case *instructions.StopSignalCommand:
		s.config.StopSignal = command.Signal
	case *instructions.ShellCommand:
		s.config.Shell = command.Shell
	case *instructions.EntrypointCommand:
		s.config.Entrypoint = s.commandLine(command.ShellDependantCmdLine)
	case *instructions.CmdCommand:
		s.config.Cmd = s.commandLine(command.ShellDependantCmdLine)
	case *instructions.HealthCheckCommand:
		s.config.Healthcheck = healthcheck(command)
	default:
		return fmt.Errorf("the test double knows no %s", command.Name())
	}
	return nil
}

// commandLine is what a step, CMD or ENTRYPOINT runs.
func (s *stage) commandLine(line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	shell := s.config.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return append(append([]string{}, shell...), strings.Join(line.CmdLine, " "))
}

func healthcheck(command *instructions.HealthCheckCommand) *v1.HealthConfig {
	found := command.Health
	return &v1.HealthConfig{
		Test: found.Test, Interval: found.Interval, Timeout: found.Timeout,
		StartPeriod: found.StartPeriod, Retries: found.Retries,
	}
}

func labelled(labels map[string]string, pairs instructions.KeyValuePairs) map[string]string {
	if labels == nil {
		labels = map[string]string{}
	}
	for _, pair := range pairs {
		labels[pair.Key] = pair.Value
	}
	return labels
}

func added(set map[string]struct{}, names []string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}

// expose takes 80, 80/udp and 80-82.
func (s *stage) expose(texts []string) error {
	for _, text := range texts {
		words, err := s.variables.words(text)
		if err != nil {
			return err
		}
		for _, word := range words {
			ports, err := ports(word)
			if err != nil {
				return err
			}
			s.config.ExposedPorts = added(s.config.ExposedPorts, ports)
		}
	}
	return nil
}

func ports(word string) ([]string, error) {
	numbers, protocol, _ := strings.Cut(word, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("invalid containerPort: %s", word)
	}
	to, err := strconv.ParseUint(last, 10, 16)
	if err != nil || to < from {
		return nil, fmt.Errorf("invalid containerPort: %s", word)
	}
	var found []string
	for number := from; number <= to; number++ {
		found = append(found, fmt.Sprintf("%d/%s", number, protocol))
	}
	return found, nil
}

func (s *stage) setWorkdir(folder string) {
	if !path.IsAbs(folder) {
		folder = path.Join("/", s.config.WorkingDir, folder)
	}
	s.config.WorkingDir = path.Clean(folder)
}

func (s *stage) workdir() string {
	if s.config.WorkingDir == "" {
		return "/"
	}
	return s.config.WorkingDir
}
