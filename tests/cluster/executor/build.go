package main

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
)

// stepError is a step that ended with a code of its own.
type stepError struct {
	err  error
	code int
}

func (e *stepError) Error() string { return e.err.Error() }

// built is a stage, or an image that files are taken from. `key` tells of what it was made.
type built struct {
	image v1.Image
	key   string
}

// builder makes the stages of a plan, one after the other, all in the same file system.
type builder struct {
	plan     *plan
	context  *buildContext
	registry *registry
	cache    *layerCache
	files    *fileSystem
	options  *options
	stages   map[int]*built
	others   map[string]*built
}

func buildImage(options *options, registry *registry) (v1.Image, error) {
	plan, err := readPlan(options)
	if err != nil {
		return nil, err
	}
	context, err := openContext(options)
	if err != nil {
		return nil, err
	}
	files, err := newFileSystem()
	if err != nil {
		return nil, err
	}
	builder := &builder{
		plan: plan, context: context, registry: registry, files: files, options: options,
		cache:  &layerCache{registry: registry, repository: options.cacheRepo, on: options.cache},
		stages: map[int]*built{}, others: map[string]*built{},
	}
	if err := builder.pullAll(); err != nil {
		return nil, err
	}
	for number := 0; number <= plan.target; number++ {
		if !plan.stages[number].needed {
			continue
		}
		if builder.stages[number], err = builder.stage(number); err != nil {
			return nil, err
		}
	}
	return builder.stages[plan.target].image, nil
}

// pullAll finds out early what is not there.
func (b *builder) pullAll() error {
	for _, planned := range b.plan.stages {
		if !planned.needed {
			continue
		}
		if planned.from < 0 && planned.image != "scratch" {
			if _, err := b.pulled(planned.image); err != nil {
				return err
			}
		}
		for _, from := range planned.sources() {
			if b.plan.number(from) >= 0 {
				continue
			}
			if _, err := b.pulled(from); err != nil {
				return err
			}
		}
	}
	return nil
}

// stage leaves the file system empty for the next one, where it has touched it at all.
func (b *builder) stage(number int) (*built, error) {
	planned := b.plan.stages[number]
	base, err := b.base(planned)
	if err != nil {
		return nil, err
	}
	info("Building stage '%s' [idx: '%d', base-idx: '%d']", planned.BaseName, number, planned.from)
	work, err := newStage(b, base)
	if err != nil {
		return nil, err
	}
	for _, command := range planned.Commands {
		if err := work.apply(command); err != nil {
			return nil, fmt.Errorf("error building stage: %w", err)
		}
	}
	if number < b.plan.target {
		if err := b.files.clear(); err != nil {
			return nil, err
		}
	}
	return work.finish()
}

func (b *builder) base(planned *plannedStage) (*built, error) {
	if planned.from >= 0 {
		return b.stages[planned.from], nil
	}
	if planned.image == "scratch" {
		return &built{image: empty.Image, key: "scratch"}, nil
	}
	return b.pulled(planned.image)
}

// source is the stage or the image that COPY --from names.
func (b *builder) source(text string) (*built, error) {
	if number := b.plan.number(text); number >= 0 {
		return b.stages[number], nil
	}
	return b.pulled(text)
}

func (b *builder) pulled(reference string) (*built, error) {
	if found := b.others[reference]; found != nil {
		return found, nil
	}
	image, err := b.registry.pull(reference)
	if err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	b.others[reference] = &built{image: image, key: digest.String()}
	return b.others[reference], nil
}
