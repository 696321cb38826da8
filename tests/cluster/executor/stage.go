package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// stage is one that is being built. Its layers are not in the file system before a step needs them.
type stage struct {
	*builder
	image     v1.Image
	config    v1.Config
	key       string
	variables *variables
	cached    bool
	ready     bool
	ownCmd    bool
}

func newStage(b *builder, base *built) (*stage, error) {
	file, err := base.image.ConfigFile()
	if err != nil {
		return nil, err
	}
	if len(file.Config.OnBuild) > 0 {
		return nil, errors.New("the test double knows no ONBUILD")
	}
	variables := newVariables(b.plan.escape, b.options.buildArgs, b.plan.global)
	variables.env = file.Config.Env
	return &stage{
		builder: b, image: base.image, config: *file.Config.DeepCopy(), key: base.key,
		variables: variables, cached: true,
	}, nil
}

// apply does one line of the Dockerfile.
func (s *stage) apply(command instructions.Command) error {
	if expanded, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		if err := expanded.Expand(s.variables.expand); err != nil {
			return fmt.Errorf("failed to process %s: %w", command.Name(), err)
		}
	}
	switch command := command.(type) {
	case *instructions.RunCommand:
		return s.change(command, s.runKey(command), func() (*change, error) { return s.run(command) })
	case *instructions.CopyCommand:
		return s.copyFiles(command, copyOrder{
			SourcesAndDest: command.SourcesAndDest, from: command.From, chown: command.Chown, chmod: command.Chmod,
			others: len(command.ExcludePatterns) > 0 || command.Parents,
		})
	case *instructions.AddCommand:
		return s.copyFiles(command, copyOrder{
			SourcesAndDest: command.SourcesAndDest, chown: command.Chown, chmod: command.Chmod, add: true,
			others: len(command.ExcludePatterns) > 0 || command.Checksum != "",
		})
	case *instructions.WorkdirCommand:
		s.setWorkdir(command.Path)
		return s.change(command, "WORKDIR "+s.config.WorkingDir+" "+s.config.User, s.makeWorkdir)
	}
	info("%s", text(command))
	if err := s.configure(command); err != nil {
		return err
	}
	s.mix(text(command), strings.Join(s.variables.all(), "\n"))
	return s.append(command, nil)
}

// mix makes the key that of all steps up to this one.
func (s *stage) mix(words ...string) {
	sum := sha256.New()
	for _, word := range append([]string{s.key}, words...) {
		fmt.Fprintf(sum, "%d:%s", len(word), word)
	}
	s.key = fmt.Sprintf("%x", sum.Sum(nil))
}

// change is a step that may change files: its layer comes from the cache, or it is made.
func (s *stage) change(command instructions.Command, key string, make func() (*change, error)) error {
	s.mix(key)
	if s.cached {
		layer, found := s.cache.find(s.key, text(command))
		if found {
			return s.append(command, layer)
		}
		s.cached = false
	}
	if err := s.unpack(command); err != nil {
		return err
	}
	info("%s", text(command))
	change, err := make()
	if errors.Is(err, errFromContext) {
		return err
	}
	if err != nil {
		return fmt.Errorf("failed to execute command: %w", err)
	}
	layer, err := s.files.layer(change, s.layerType())
	if err != nil {
		return fmt.Errorf("failed to take snapshot: %w", err)
	}
	if layer == nil {
		info("No files were changed, appending empty layer to config. No layer added to image.")
	}
	s.cache.keep(s.key, layer)
	return s.append(command, layer)
}

// unpack puts what the image has so far into the file system, where it is not yet.
func (s *stage) unpack(command instructions.Command) error {
	if s.ready {
		return nil
	}
	info("Unpacking rootfs as cmd %s requires it.", text(command))
	if err := s.files.unpack(s.image); err != nil {
		return fmt.Errorf("failed to get filesystem from image: %w", err)
	}
	s.ready = true
	return nil
}

func (s *stage) append(command instructions.Command, layer v1.Layer) error {
	entry := mutate.Addendum{
		Layer: layer,
		History: v1.History{
			Author: "test double of kaniko", CreatedBy: text(command), EmptyLayer: layer == nil,
			Created: v1.Time{Time: time.Now()},
		},
	}
	image, err := mutate.Append(s.image, entry)
	s.image = image
	return err
}

func (s *stage) finish() (*built, error) {
	image, err := mutate.Config(s.image, s.config)
	if err != nil {
		return nil, err
	}
	image, err = mutate.CreatedAt(image, v1.Time{Time: time.Now()})
	return &built{image: image, key: s.key}, err
}

func (s *stage) layerType() types.MediaType {
	if kind, err := s.image.MediaType(); err == nil && kind == types.OCIManifestSchema1 {
		return types.OCILayer
	}
	return types.DockerLayer
}

// text is the line as it stands in the Dockerfile.
func text(command instructions.Command) string {
	if line, ok := command.(fmt.Stringer); ok {
		return line.String()
	}
	return command.Name()
}
