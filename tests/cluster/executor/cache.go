package main

import (
	"errors"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// layerCache keeps the layer of each step in a repository, as an image that is tagged by the key.
// A step that changed nothing has an image without a layer.
type layerCache struct {
	registry   *registry
	repository string
	on         bool
}

// find gives the layer, nil for a step that changed nothing, and whether there is one.
func (c *layerCache) find(key, command string) (v1.Layer, bool) {
	if !c.on {
		return nil, false
	}
	info("Checking for cached layer %s:%s...", c.repository, key)
	layers, err := c.layers(key)
	if err != nil {
		if !isMissing(err) {
			warn("Error while retrieving image from cache: %s:%s %v", c.repository, key, err)
		}
		info("No cached layer found for cmd %s", command)
		return nil, false
	}
	info("Using caching version of cmd: %s", command)
	if len(layers) == 0 {
		return nil, true
	}
	return layers[0], true
}

func (c *layerCache) layers(key string) ([]v1.Layer, error) {
	reference, err := c.reference(key)
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(reference, c.registry.login())
	if err != nil {
		return nil, err
	}
	return image.Layers()
}

// keep warns where it cannot: the build goes on.
func (c *layerCache) keep(key string, layer v1.Layer) {
	if !c.on {
		return
	}
	image := empty.Image
	var err error
	if layer != nil {
		image, err = mutate.AppendLayers(image, layer)
	}
	if err == nil {
		info("Pushing layer %s:%s to cache now", c.repository, key)
		err = c.push(key, image)
	}
	if err != nil {
		warn("Error uploading layer to cache: failed to push to destination %s:%s: %v", c.repository, key, err)
	}
}

func (c *layerCache) push(key string, image v1.Image) error {
	reference, err := c.reference(key)
	if err != nil {
		return err
	}
	return remote.Write(reference, image, c.registry.login())
}

func (c *layerCache) reference(key string) (name.Reference, error) {
	return c.registry.reference(c.repository + ":" + key)
}

func isMissing(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
