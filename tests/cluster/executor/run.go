package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// running is the process group of the step that runs, 0 where none does.
var running atomic.Int64

// killStep ends whatever the step has left.
func killStep() {
	if group := int(running.Swap(0)); group != 0 {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// runKey is what the result of a step depends on, besides the steps before it.
func (s *stage) runKey(command *instructions.RunCommand) string {
	words := []string{"RUN", strings.Join(s.stepLine(command), "\x00")}
	return strings.Join(append(words, s.variables.all()...), "\n")
}

// run changes the whole file system, as far as the image has it.
func (s *stage) run(command *instructions.RunCommand) (*change, error) {
	if len(command.FlagsUsed) > 0 {
		return nil, fmt.Errorf("the test double knows no RUN --%s", command.FlagsUsed[0])
	}
	before, err := s.files.seen()
	if err != nil {
		return nil, err
	}
	line := s.stepLine(command)
	info("Cmd: %s", line[0])
	info("Args: %s", line[1:])
	info("Running: %s", line)
	if err := s.execute(line); err != nil {
		return nil, err
	}
	return s.files.changesSince(before)
}

// stepLine has a here-document as its script, or as the input of what is run.
func (s *stage) stepLine(command *instructions.RunCommand) []string {
	line := command.ShellDependantCmdLine
	if len(line.Files) == 1 && !strings.ContainsAny(strings.TrimSpace(line.CmdLine[0]), " \t") {
		line.CmdLine = []string{line.Files[0].Data}
	} else {
		for _, file := range line.Files {
			line.CmdLine = append(line.CmdLine, "\n"+file.Data+file.Name)
		}
	}
	return s.commandLine(line)
}

func (s *stage) execute(line []string) error {
	who, err := userOf(s.config.User)
	if err != nil {
		return fmt.Errorf("credentials: get uid/gid: %w", err)
	}
	environ := s.variables.all()
	if _, given := value(environ, "HOME"); !given {
		environ = append(environ, "HOME="+who.home)
	}
	path, err := lookPath(line[0], environ)
	if err != nil {
		return fmt.Errorf("starting command: %w", err)
	}
	step := exec.Command(path)
	step.Args, step.Env, step.Dir = line, environ, s.workdir()
	step.Stdout, step.Stderr = os.Stdout, os.Stderr
	step.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true,
		Credential: &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: who.groups},
	}
	if err := step.Start(); err != nil {
		return fmt.Errorf("starting command: %w", err)
	}
	running.Store(int64(step.Process.Pid))
	err = step.Wait()
	killStep()
	return stepEnd(err)
}

// stepEnd gives what was killed 255, as an exit code of -1 is.
func stepEnd(err error) error {
	if err == nil {
		return nil
	}
	code := 1
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode() & 0xff
	}
	return &stepError{err: fmt.Errorf("waiting for process to exit: %w", err), code: code}
}

// lookPath goes by the PATH of the image.
func lookPath(name string, environ []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	folders, _ := value(environ, "PATH")
	for _, folder := range filepath.SplitList(folders) {
		path := filepath.Join(folder, name)
		if file, err := os.Stat(path); err == nil && !file.IsDir() && file.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}
