package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// plan is the part of a Dockerfile that the target needs.
type plan struct {
	escape rune
	global map[string]string
	stages []*plannedStage
	target int
}

// plannedStage begins from the stage number `from`, or from `image` where that is -1.
type plannedStage struct {
	instructions.Stage
	from   int
	image  string
	needed bool
}

func readPlan(options *options) (*plan, error) {
	file, err := os.Open(options.dockerfile)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("parsing dockerfile: %w", err)
	}
	stages, args, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("parsing dockerfile: %w", err)
	}
	found := &plan{escape: parsed.EscapeToken}
	if found.global, err = globals(found.escape, args, options.buildArgs); err != nil {
		return nil, err
	}
	if err := found.add(stages, options.buildArgs); err != nil {
		return nil, err
	}
	if err := found.choose(options.target); err != nil {
		return nil, err
	}
	return found, found.need(found.target)
}

// globals are the ARGs before the first FROM.
func globals(escape rune, args []instructions.ArgCommand, given map[string]string) (map[string]string, error) {
	scope := newVariables(escape, given, nil)
	scope.args = platformArgs()
	for _, command := range args {
		if err := command.Expand(scope.expand); err != nil {
			return nil, fmt.Errorf("parsing dockerfile: %w", err)
		}
		for _, arg := range command.Args {
			scope.declare(arg)
		}
	}
	return scope.args, nil
}

func (p *plan) add(stages []instructions.Stage, given map[string]string) error {
	scope := newVariables(p.escape, given, nil)
	scope.args = p.global
	for _, stage := range stages {
		base, err := scope.expand(stage.BaseName)
		if err != nil {
			return fmt.Errorf("parsing dockerfile: %w", err)
		}
		p.stages = append(p.stages, &plannedStage{Stage: stage, from: p.byName(base), image: base})
	}
	return nil
}

func (p *plan) choose(target string) error {
	p.target = len(p.stages) - 1
	if target == "" {
		return nil
	}
	if p.target = p.number(target); p.target < 0 {
		return fmt.Errorf("error finding target stage: %q is not a valid target build stage", target)
	}
	return nil
}

// byName is the number of the stage of that name, -1 where there is none.
func (p *plan) byName(name string) int {
	for number := len(p.stages) - 1; number >= 0; number-- {
		if p.stages[number].Name != "" && strings.EqualFold(p.stages[number].Name, name) {
			return number
		}
	}
	return -1
}

// number is that of a stage that is told by its name or its number.
func (p *plan) number(text string) int {
	if found := p.byName(text); found >= 0 {
		return found
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 || number >= len(p.stages) {
		return -1
	}
	return number
}

// sources are the stages and images that it copies from.
func (s *plannedStage) sources() []string {
	var found []string
	for _, command := range s.Commands {
		if copied, ok := command.(*instructions.CopyCommand); ok && copied.From != "" {
			found = append(found, copied.From)
		}
	}
	return found
}

// need marks a stage with all that it takes something from.
func (p *plan) need(number int) error {
	stage := p.stages[number]
	if stage.needed {
		return nil
	}
	stage.needed = true
	wanted := []int{stage.from}
	for _, from := range stage.sources() {
		wanted = append(wanted, p.number(from))
	}
	for _, other := range wanted {
		if other >= number {
			return fmt.Errorf("stage %d takes something from stage %d, which comes later", number, other)
		}
		if other >= 0 {
			if err := p.need(other); err != nil {
				return err
			}
		}
	}
	return nil
}
