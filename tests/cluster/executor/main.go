// A test double of Kaniko's executor: it builds an image from a Dockerfile in its own container, as
// root in its own file system, and pushes it. It has the command line, the words and the exit codes
// of Kaniko, as far as Switchyard uses them, and nothing else. It is for tests alone.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	endAtOnce()
	code, err := execute(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// execute gives what to exit with: the code of a step that failed is that step's own.
func execute(arguments []string) (int, error) {
	options, err := parseOptions(arguments)
	if err != nil {
		return 1, fmt.Errorf("Error: %w\n%s", err, usage())
	}
	if err := build(options); err != nil {
		var failed *stepError
		if errors.As(err, &failed) {
			return failed.code, err
		}
		return 1, err
	}
	return 0, nil
}

// build tells the digest before it has pushed, as Kaniko does.
func build(options *options) error {
	registry := newRegistry(options)
	if err := registry.checkPush(options.destination); err != nil {
		return fmt.Errorf("error checking push permissions: %w", err)
	}
	image, err := buildImage(options, registry)
	if err != nil {
		return fmt.Errorf("error building image: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("error building image: %w", err)
	}
	if options.digestFile != "" {
		if err := os.WriteFile(options.digestFile, []byte(digest.String()), 0o644); err != nil {
			return fmt.Errorf("error pushing image: %w", err)
		}
	}
	if err := registry.push(options.destination, image); err != nil {
		return fmt.Errorf("error pushing image: %w", err)
	}
	return nil
}

// endAtOnce makes TERM end this program and the step that it runs.
func endAtOnce() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		number := (<-signals).(syscall.Signal)
		killStep()
		os.Exit(128 + int(number))
	}()
}

// info and warn write lines as Kaniko's log has them.
func info(format string, values ...any) {
	logLine(36, "INFO", format, values...)
}

func warn(format string, values ...any) {
	logLine(33, "WARN", format, values...)
}

func logLine(colour int, level, format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	fmt.Fprintf(os.Stderr, "\x1b[%dm%s\x1b[0m[%04d] %-44s \n", colour, level, elapsed(), text)
}
